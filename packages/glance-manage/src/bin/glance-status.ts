import { runStatus } from '@glance/glance-api';
import { runProcess } from './run-process';

runProcess(runStatus);

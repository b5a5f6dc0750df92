import { runOperatorProgram } from '@glance/service-kit';
import { runStatus } from '..';

runOperatorProgram(runStatus);

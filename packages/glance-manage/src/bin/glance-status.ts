import { runStatus } from '@glance/glance-api';
import { runOperatorProgram } from '@glance/service-kit';

runOperatorProgram(runStatus);

import { runOperatorProgram } from '@glance/service-kit';
import { runGlanceManage } from '..';

runOperatorProgram(runGlanceManage);

import { runGlanceManage } from '..';
import { runProcess } from './run-process';

runProcess(runGlanceManage);

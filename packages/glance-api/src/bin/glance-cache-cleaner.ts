import { runOperatorProgram } from '@glance/service-kit';
import { runCacheCleaner } from '../manage/run-cache-tools';

runOperatorProgram(runCacheCleaner);

export { runGlanceManage } from './run-glance-manage';
export { runStatus } from './status/run-status';

export { runGlanceManage } from './run-glance-manage';

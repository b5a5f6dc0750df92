import { IMAGE_STATUSES, canTransition, statusesLeadingTo } from './image-status';

describe('the transition table', () => {
  it('lets nothing leave deleted', () => {
    expect(IMAGE_STATUSES.filter((to) => canTransition('deleted', to))).toEqual([]);
  });

  it('makes an image active only from these', () => {
    expect(statusesLeadingTo('active')).toEqual([
      'queued',
      'saving',
      'uploading',
      'importing',
      'deactivated',
      'pending_delete',
    ]);
  });

  it('never lets a killed image be filled again', () => {
    expect(canTransition('killed', 'saving')).toBe(false);
    expect(canTransition('killed', 'queued')).toBe(false);
  });
});

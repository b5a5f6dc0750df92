import type { OutboxMessage } from '../outbox-repository';

/** A notification as oslo.messaging has it, without an envelope. */
export interface Notification {
  message_id: string;
  publisher_id: string;
  event_type: string;
  priority: string;
  payload: unknown;
  /** UTC, `YYYY-MM-DD HH:MM:SS.ffffff`. */
  timestamp: string;
}

export function toNotification(message: OutboxMessage, publisherId: string): Notification {
  return {
    message_id: message.messageId,
    publisher_id: publisherId,
    event_type: message.type,
    priority: message.priority,
    payload: message.payload,
    timestamp: `${message.at.replace('T', ' ')}.000000`,
  };
}

/**
 * What goes over the wire: version 1.0 has no envelope, 2.0 wraps the notification as a text.
 * `_unique_id` is what consumers of oslo.messaging know repeated messages by.
 */
export function toWire(notification: Notification, version: '1.0' | '2.0'): string {
  const message = { ...notification, _unique_id: notification.message_id.replaceAll('-', '') };
  if (version === '1.0') return JSON.stringify(message);
  return JSON.stringify({ 'oslo.version': '2.0', 'oslo.message': JSON.stringify(message) });
}

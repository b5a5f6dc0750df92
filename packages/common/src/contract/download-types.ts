/** A download that has ended, whole or broken off. */
export interface DownloadReport {
  imageId: string;
  /** Of the image. */
  owner: string | null;
  bytesSent: number;
  /** Of what was asked for: of a part, when that was it. */
  bytesExpected: number;
  /** Who downloaded; null where nobody says. */
  userId: string | null;
  projectId: string | null;
  /** Where the data went; null when the connection was gone already. */
  address: string | null;
}

export const MAX_REPORTED_DOWNLOADS = 100;

export interface ReportDownloads {
  /** None to ask whether anybody is told of any. */
  downloads: DownloadReport[];
}

// Uploads a file with tus-js-client, which goes on by itself whatever happens to the server; and when it was killed
// itself, from the address that it kept.
//
// Arguments: endpoint, file, the object's key, a file with the token, a file for what is kept. Prints a line for each
// piece that the server has, and `done` in the end.

import { createReadStream, readFileSync } from 'node:fs';
import * as tus from 'tus-js-client';

const [endpoint, file, key, tokenFile, kept] = process.argv.slice(2);
const token = readFileSync(tokenFile, 'utf8');

const upload = new tus.Upload(createReadStream(file), {
  endpoint,
  chunkSize: 16 * 1024 * 1024,
  headers: { authorization: `Bearer ${token}` },
  metadata: { key, filename: 'film.bin', filetype: 'video/mp4' },
  urlStorage: new tus.FileUrlStorage(kept),
  retryDelays: new Array(100).fill(200),
  onChunkComplete: (_size, accepted) => console.log(accepted),
  onSuccess: () => console.log('done'),
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
});
const [previous] = await upload.findPreviousUploads();
if (previous) {
  console.log('goes on');
  upload.resumeFromPreviousUpload(previous);
}
upload.start();

// DMAPI from pages in a real browser: what a listed origin may do, what another one sees (nothing), and
// that nothing which was uploaded ever runs. Run by dailey-media/tests/http/browser.rs, which passes
// {api, listedPort, otherPort, token} on standard input; CHROMIUM, CHROMIUM_LIBRARIES and PLAYWRIGHT say
// where the browser is.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';

const { chromium } = createRequire(`${process.env.PLAYWRIGHT}/`)('playwright-core');
const { api, listedPort, otherPort, token } = JSON.parse(await text(process.stdin));
const listed = `http://127.0.0.1:${listedPort}`;
const bearer = { authorization: `Bearer ${token}` };

// Longer than all of it together: a browser that hangs is a failed test.
const watchdog = setTimeout(() => fail(new Error('not done after 120 s')), 120_000);

let ran = 0;
const script = `fetch('${listed}/ran', { mode: 'no-cors' })`;
const active = {
  'text/html': `<!doctype html><body><script>${script}</script>`,
  'image/svg+xml': `<svg xmlns="http://www.w3.org/2000/svg"><script>${script}</script></svg>`,
  'application/xhtml+xml': `<html xmlns="http://www.w3.org/1999/xhtml"><body><script>${script}</script></body></html>`,
  'text/xml': `<html xmlns="http://www.w3.org/1999/xhtml"><body><script>${script}</script></body></html>`,
  // Nothing runs in a text, whatever it looks like.
  'text/plain': `<!doctype html><body><script>${script}</script>`,
};

function pages(port) {
  const server = createServer((request, response) => {
    if (request.url === '/ran') ran += 1;
    response.setHeader('content-type', 'text/html');
    response.end(request.url === '/control' ? active['text/html'] : '<!doctype html><title>page</title>');
  });
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

// What a page's fetch gives: status, headers that the page may read, body; or that it failed.
function asked(page, method, path, headers = {}, body, credentials = 'same-origin') {
  const request = { url: api + path, method, headers, body, credentials };
  return page.evaluate(async ({ url, ...init }) => {
    try {
      const answer = await fetch(url, { ...init, cache: 'no-store' });
      return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
    } catch {
      return { failed: true };
    }
  }, request);
}

let checks = 0;
async function check(name, body) {
  await body().catch((error) => {
    error.message = `${name}: ${error.message}`;
    throw error;
  });
  checks += 1;
  console.log(`ok ${name}`);
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function all(browser) {
  const context = await browser.newContext({ acceptDownloads: true });
  const page = await context.newPage();
  await page.goto(`${listed}/`);

  await check('a listed origin has its token validated', async () => {
    for (const method of ['GET', 'POST']) {
      const answer = await asked(page, method, '/api/auth/validate', bearer);
      assert.equal(answer.status, 200);
      assert.equal(JSON.parse(answer.body).valid, true);
      for (const name of ['x-request-id', 'ratelimit', 'ratelimit-policy']) assert.ok(answer.headers[name], name);
    }
  });

  await check('a listed origin can read why it was refused', async () => {
    const answer = await asked(page, 'GET', '/api/auth/validate');
    assert.equal(answer.status, 401);
    assert.equal(JSON.parse(answer.body).code, 'token_missing');
    assert.ok(answer.headers['www-authenticate']);
    assert.equal(JSON.parse(answer.body).request_id, answer.headers['x-request-id']);
  });

  await check('a listed origin puts an object with every header that it may send', async () => {
    const digest = `sha-256=:${createHash('sha256').update('hello').digest('base64')}:`;
    const headers = {
      ...bearer,
      'content-type': 'text/plain',
      'if-none-match': '*',
      'repr-digest': digest,
      'cache-control': 'max-age=60',
      'content-disposition': 'inline',
      'x-meta-colour': 'red',
    };
    const created = await asked(page, 'PUT', '/api/media/page/a.txt', headers, 'hello');
    assert.equal(created.status, 201);
    assert.ok(created.headers.etag);
    assert.equal(created.headers['repr-digest'], digest);
    const again = await asked(page, 'PUT', '/api/media/page/a.txt', headers, 'hello');
    assert.equal(again.status, 412);
  });

  await check('a listed origin reads objects, parts, and all their headers', async () => {
    const whole = await asked(page, 'GET', '/api/media/page/a.txt', bearer);
    assert.deepEqual([whole.status, whole.body], [200, 'hello']);
    const exposed = ['etag', 'repr-digest', 'x-request-id', 'ratelimit', 'ratelimit-policy', 'last-modified'];
    for (const name of [...exposed, 'accept-ranges', 'content-length', 'x-meta-colour']) {
      assert.ok(whole.headers[name], name);
    }
    const part = await asked(page, 'GET', '/api/media/page/a.txt', { ...bearer, range: 'bytes=1-2' });
    assert.deepEqual([part.status, part.body, part.headers['content-range']], [206, 'el', 'bytes 1-2/5']);
    const same = await asked(page, 'GET', '/api/media/page/a.txt', { ...bearer, 'if-none-match': whole.headers.etag });
    assert.equal(same.status, 304);
    const head = await asked(page, 'HEAD', '/api/media/page/a.txt', bearer);
    assert.deepEqual([head.status, head.headers.etag], [200, whole.headers.etag]);
  });

  await check('a listed origin copies and deletes', async () => {
    const json = { ...bearer, 'content-type': 'application/json' };
    const copy = JSON.stringify({ from: 'page/a.txt', to: 'page/b.txt' });
    assert.equal((await asked(page, 'POST', '/api/media-ops/copy', json, copy)).status, 201);
    assert.equal((await asked(page, 'DELETE', '/api/media/page/b.txt', bearer)).status, 204);
  });

  await check('credentials are never shared, and no other header may be sent', async () => {
    const withCookies = await asked(page, 'GET', '/api/auth/validate', bearer, undefined, 'include');
    assert.ok(withCookies.failed);
    const unlisted = await asked(page, 'GET', '/api/auth/validate', { ...bearer, 'x-forwarded-for': '127.0.0.1' });
    assert.ok(unlisted.failed);
  });

  // Another port, and another name for the same machine.
  for (const origin of [`http://127.0.0.1:${otherPort}`, `http://localhost:${listedPort}`]) {
    await check(`${origin.replace(/\d+$/, '…')} sees nothing and changes nothing`, async () => {
      const stranger = await context.newPage();
      await stranger.goto(`${origin}/`);
      for (const [method, path, headers, body] of [
        ['GET', '/api/auth/validate', bearer],
        ['POST', '/api/auth/validate', bearer],
        ['GET', '/api/auth/validate', {}],
        ['GET', '/health', {}],
        ['GET', '/api/media/page/a.txt', bearer],
        ['PUT', '/api/media/page/stranger.txt', { ...bearer, 'content-type': 'text/plain' }, 'x'],
        ['DELETE', '/api/media/page/a.txt', bearer],
      ]) {
        assert.ok((await asked(stranger, method, path, headers, body)).failed, `${method} ${path}`);
      }
      await stranger.close();
      assert.equal((await asked(page, 'GET', '/api/media/page/stranger.txt', bearer)).status, 404);
      assert.equal((await asked(page, 'GET', '/api/media/page/a.txt', bearer)).status, 200);
    });
  }

  await check('the trap works: a page of ours that has the same script runs it', async () => {
    const control = await context.newPage();
    const fetched = control.waitForResponse(`${listed}/ran`);
    await control.goto(`${listed}/control`);
    await fetched;
    await control.close();
    assert.equal(ran, 1);
    ran = 0;
  });

  // A tab that sends the token with everything: worse than any page can be.
  const trusting = await browser.newContext({ acceptDownloads: true, extraHTTPHeaders: bearer });
  for (const [type, content] of Object.entries(active)) {
    await check(`${type} with a script never runs`, async () => {
      const path = `/api/media/active/${type.replace('/', '.')}`;
      const headers = { ...bearer, 'content-type': type, 'content-disposition': 'inline' };
      assert.equal((await asked(page, 'PUT', path, headers, content)).status, 201);
      const tab = await trusting.newPage();
      const download = type === 'text/plain' ? undefined : tab.waitForEvent('download');
      await tab.goto(api + path).catch((error) => assert.match(error.message, /Download|ERR_ABORTED/));
      if (download) await (await download).cancel();
      else assert.match(await tab.evaluate(() => document.body.innerText), /<script>/);
      await tab.goto(`${listed}/`);
      await tab.evaluate(
        (url) =>
          Promise.all(
            ['iframe', 'object', 'embed', 'img'].map((tag) => {
              const element = document.createElement(tag);
              element.setAttribute(tag === 'object' ? 'data' : 'src', url);
              document.body.append(element);
              return new Promise((done) => {
                element.onload = element.onerror = done;
                // A frame whose answer is a download never says anything.
                setTimeout(done, 1_000);
              });
            }),
          ),
        api + path,
      );
      await tab.close();
      assert.equal(ran, 0);
    });
  }
}

const servers = [await pages(listedPort), await pages(otherPort)];
const localhost = createServer((_, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><title>page</title>');
});
await new Promise((resolve) => localhost.once('error', resolve).listen(listedPort, '::1', resolve));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  env: { ...process.env, LD_LIBRARY_PATH: process.env.CHROMIUM_LIBRARIES },
  // Its sandbox needs rights that root in a container does not have.
  chromiumSandbox: process.getuid() !== 0,
});
try {
  await all(browser);
} catch (error) {
  fail(error);
}
await browser.close();
for (const server of [...servers, localhost]) server.close();
clearTimeout(watchdog);
console.log(`${checks} checks`);

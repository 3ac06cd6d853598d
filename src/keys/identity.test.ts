import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { makePrefix } from '../core/base/index.ts';
import { type Identity, issueCredential, selfCertifyingId, verifyCredential } from '../core/security/index.ts';
import { formatCertificateFile, readCertificateFile, writeCertificateFile } from './certificate-file.ts';
import { loadIdentity, watchIdentity } from './identity.ts';
import { generateKey, type InstanceKey, type SigningKey, writeKeyFiles } from './key-file.ts';
import { primitives, unixSeconds } from './primitives.ts';

const folder = mkdtempSync(join(tmpdir(), 'caracal-identity-'));
after(() => rmSync(folder, { recursive: true }));

const service = generateKey('service') as SigningKey;
let count = 0;

function issue({ keys }: InstanceKey, fromSeconds = -10, toSeconds = 3_600): Uint8Array {
  const nowSeconds = unixSeconds();
  return issueCredential(primitives, service.seed, keys, {
    prefix: makePrefix(selfCertifyingId(primitives, service.publicKey), 224),
    notBeforeSeconds: nowSeconds + fromSeconds,
    notAfterSeconds: nowSeconds + toSeconds,
  });
}

/** A key file with its path, and where its certificate belongs. */
function instance(): { key: InstanceKey; path: string; certificate: string } {
  const key = generateKey('instance') as InstanceKey;
  const path = join(folder, `${++count}.key`);
  writeKeyFiles(path, key);
  return { key, path, certificate: path.replace(/key$/, 'cert') };
}

describe('certificate files', () => {
  it('hold a chain in base64 under comments that say what it is', () => {
    const { key, certificate } = instance();
    const credential = issue(key);
    writeCertificateFile(certificate, credential);
    assert.deepEqual(readCertificateFile(certificate), credential);
    assert.match(formatCertificateFile(credential), /# {3}1\. svc:\w{52} says: instance \w{16} may serve \w{52}\/224/);
  });

  it('say what is wrong with them', () => {
    const path = join(folder, 'bad.cert');
    const wrong: [RegExp, string][] = [
      [/:1: .*caracal-certificate 1/, ''],
      [/:2: this is not base64/, 'caracal-certificate 1\n!!'],
      [/:2: the base64 is not complete/, 'caracal-certificate 1\nA'],
      [/:2: these are not one to three certificates/, 'caracal-certificate 1\nAAAA'],
    ];
    for (const [message, text] of wrong) {
      writeFileSync(path, text);
      assert.throws(() => readCertificateFile(path), { code: 'ERR_CARACAL_CERTIFICATE_FILE', message });
    }
  });
});

describe('identity', () => {
  it('is a key file and the certificate beside it', () => {
    const { key, path, certificate } = instance();
    const credential = issue(key);
    writeCertificateFile(certificate, credential);
    assert.deepEqual(loadIdentity(path), { ...key.keys, credential });
    const elsewhere = join(folder, 'elsewhere.cert');
    writeCertificateFile(elsewhere, issue(key));
    assert.notDeepEqual(loadIdentity(path, { certificate: elsewhere }).credential, credential);
  });

  it('is refused when the parts do not belong together or prove nothing now', () => {
    const { key, path, certificate } = instance();
    const other = instance();
    const forged = issue(key);
    forged[149]! ^= 1;
    assert.throws(() => loadIdentity(path), {
      code: 'ERR_CARACAL_CERTIFICATE_FILE',
      message: /no such file.*caracal grant/,
    });
    const cases: [Uint8Array, RegExp][] = [
      [issue(other.key), /is not for the key in/],
      [issue(key, -7_200, -3_600), /has expired, at \d{4}-/],
      [issue(key, 3_600, 7_200), /not valid before \d{4}-/],
      [forged, /a signature does not verify/],
    ];
    for (const [credential, message] of cases) {
      writeCertificateFile(certificate, credential);
      assert.throws(() => loadIdentity(path), { code: 'ERR_CARACAL_IDENTITY', message, next: /caracal grant/ });
    }
    const servicePath = join(folder, 'service.key');
    writeKeyFiles(servicePath, service);
    assert.throws(() => loadIdentity(servicePath), {
      code: 'ERR_CARACAL_IDENTITY',
      message: /runs with an instance key/,
    });
  });

  it('is read again when its certificate is renewed; what cannot be used is told', async () => {
    const { key, path, certificate } = instance();
    writeCertificateFile(certificate, issue(key));
    const changes: (Identity | Error)[] = [];
    let wake: () => void = () => {};
    const next = (): Promise<void> => new Promise((resolve) => (wake = resolve));
    const note = (change: Identity | Error): void => {
      changes.push(change);
      wake();
    };
    const watch = watchIdentity(path, note, { onError: note, intervalMs: 5 });
    // The watch does not keep the process alive: until something happens, this does.
    const alive = setInterval(() => {}, 1_000);
    try {
      const renewed = issue(key, -5, 7_200);
      let changed = next();
      writeCertificateFile(certificate, renewed);
      await changed;
      changed = next();
      writeCertificateFile(certificate, issue(instance().key));
      await changed;
      changed = next();
      writeCertificateFile(certificate, renewed);
      await changed;
      const [first, second, third] = changes;
      assert.deepEqual((first as Identity).credential, renewed);
      assert.match((second as Error).message, /is not for the key in/);
      assert.equal(verifyCredential(primitives, (third as Identity).credential, unixSeconds()).reason, 0);
      assert.equal(changes.length, 3);
    } finally {
      watch.close();
      clearInterval(alive);
    }
  });
});

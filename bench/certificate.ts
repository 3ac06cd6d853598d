// A self-signed X.509 certificate (RFC 5280) with an Ed25519 key (RFC 8410), which node:crypto can read but not make. Made
// anew in every server process, so that no private key lies in the repository and no certificate runs out there.

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const hourMs = 3_600_000;

/** Both in DER; the private key as PKCS #8. Valid from an hour ago for a day. */
export function createCertificate(dnsName: string): { certificate: Buffer; privateKey: Buffer } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const algorithm = sequence(objectId(1, 3, 101, 112));
  const distinguishedName = sequence(set(sequence(objectId(2, 5, 4, 3), utf8String(dnsName))));
  const now = Date.now();
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.of(2))),
    integer(randomBytes(8).fill(1, 0, 1)),
    algorithm,
    distinguishedName,
    sequence(utcTime(now - hourMs), utcTime(now + 24 * hourMs)),
    distinguishedName,
    publicKey.export({ format: 'der', type: 'spki' }),
    explicit(3, sequence(sequence(objectId(2, 5, 29, 17), octetString(sequence(dnsAlternative(dnsName)))))),
  );
  const certificate = sequence(toBeSigned, algorithm, bitString(sign(null, toBeSigned, privateKey)));
  return { certificate, privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }) };
}

export function formatPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** Tag, length, content (X.690): up to 127 bytes the length is one byte, above it is led by the number of its bytes. */
function der(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const { length } = body;
  const lengthBytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...lengthBytes), body]);
}

const sequence = (...content: Buffer[]): Buffer => der(0x30, ...content);
const set = (...content: Buffer[]): Buffer => der(0x31, ...content);
const explicit = (number: number, content: Buffer): Buffer => der(0xa0 | number, content);
const integer = (bytes: Buffer): Buffer => der(0x02, bytes);
const octetString = (content: Buffer): Buffer => der(0x04, content);
const bitString = (content: Buffer): Buffer => der(0x03, Buffer.of(0), content);
const utf8String = (text: string): Buffer => der(0x0c, Buffer.from(text));
/** GeneralName, alternative [2]. */
const dnsAlternative = (name: string): Buffer => der(0x82, Buffer.from(name, 'ascii'));

/** The first two numbers share a byte; all that occur here fit into seven bits. */
const objectId = (first: number, second: number, ...rest: number[]): Buffer =>
  der(0x06, Buffer.of(first * 40 + second, ...rest));

/** YYMMDDHHMMSSZ */
function utcTime(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/\D/g, '');
  return der(0x17, Buffer.from(`${digits.slice(2, 14)}Z`));
}

// X25519 and Ed25519 on Node's own OpenSSL. X25519 is the function below all of OpenSSL's key objects: 20 and 28 us
// instead of 70 and 100. Ed25519 has no such function with a signature that stays (it grew arguments in 3.2), so it
// goes through key objects, which are freed in the same call; there only the JWK and the KeyObject are saved.

import type { Crypto } from '../core/base/index.ts';
import type { Address, Libcrypto } from './libcrypto.ts';
import { checkLength } from './pin.ts';

const keyBytes = 32;
const signatureBytes = 64;
/** EVP_PKEY_ED25519. */
const ed25519 = 1087;

type Curves = Pick<Crypto, 'x25519Public' | 'x25519' | 'ed25519Public' | 'sign' | 'verify'>;

/** `otherwise` serves where a function is missing from the library. */
export function createCurves(library: Libcrypto, otherwise: Crypto): Curves {
  return {
    ...createX25519(library, otherwise),
    ed25519Public(seed) {
      checkLength('a seed', seed, keyBytes);
      return withKey(library, library.privateKeyNew(ed25519, 0, seed, keyBytes), (key) => {
        const point = new Uint8Array(keyBytes);
        check(library, library.keyPublic(key, point, BigUint64Array.of(BigInt(keyBytes))));
        return point;
      });
    },
    sign(seed, message) {
      checkLength('a seed', seed, keyBytes);
      return withKey(library, library.privateKeyNew(ed25519, 0, seed, keyBytes), (key, context) => {
        const signature = new Uint8Array(signatureBytes);
        const written = BigUint64Array.of(BigInt(signatureBytes));
        check(library, library.signInit(context, 0, 0, 0, key));
        check(library, library.sign(context, signature, written, message, message.length));
        return signature;
      });
    },
    verify(publicKey, message, signature) {
      if (publicKey.length !== keyBytes || signature.length !== signatureBytes) return false;
      return withKey(library, library.publicKeyNew(ed25519, 0, publicKey, keyBytes), (key, context) => {
        check(library, library.verifyInit(context, 0, 0, 0, key));
        const valid = library.verify(context, signature, signatureBytes, message, message.length) === 1;
        if (!valid) library.clearErrors();
        return valid;
      });
    },
  };
}

function createX25519({ x25519, x25519Public }: Libcrypto, otherwise: Crypto): Pick<Curves, 'x25519' | 'x25519Public'> {
  if (x25519 === undefined || x25519Public === undefined)
    return { x25519: otherwise.x25519, x25519Public: otherwise.x25519Public };
  return {
    x25519Public(scalar) {
      checkLength('a scalar', scalar, keyBytes);
      const point = new Uint8Array(keyBytes);
      x25519Public(point, scalar);
      return point;
    },
    x25519(scalar, point) {
      if (scalar.length !== keyBytes || point.length !== keyBytes) return undefined;
      const secret = new Uint8Array(keyBytes);
      return x25519(secret, scalar, point) === 1 ? secret : undefined;
    },
  };
}

/** Frees both whatever happens. */
function withKey<T>(library: Libcrypto, key: Address, use: (key: Address, context: Address) => T): T {
  const context = library.digestNew();
  try {
    check(library, key === 0 || context === 0 ? 0 : 1);
    return use(key, context);
  } finally {
    library.digestFree(context);
    library.keyFree(key);
  }
}

function check(library: Libcrypto, result: number): void {
  if (result === 1) return;
  library.clearErrors();
  throw Object.assign(new Error('Ed25519: OpenSSL refused'), { code: 'ERR_CRYPTO_OPERATION_FAILED' });
}

// The protocol without any input or output, for other drivers (docs/architecture.md): one namespace per layer. Rejected: all
// names side by side, since layers have their own words for the same thing.

export * as base from './base/index.ts';
export * as control from './control/index.ts';
export * as security from './security/index.ts';
export * as stack from './stack/index.ts';
export * as tables from './tables/index.ts';
export * as transport from './transport/index.ts';
export * as wire from './wire/index.ts';

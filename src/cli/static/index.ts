export { createStaticHandler, type StaticOptions } from './handler.ts';

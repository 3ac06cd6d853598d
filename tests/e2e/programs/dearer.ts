// Loaded into a process before anything else (`node --import`): each copy of as much as a packet holds makes another one, in
// memory of its own. So a change would look that copies the payload once more; bench:guard must find it.

const prototype = Object.getPrototypeOf(Uint8Array.prototype) as { set(source: Uint8Array, offset?: number): void };
const { set } = prototype;
const packetBytes = 1_000;

prototype.set = function (this: Uint8Array, source, offset = 0) {
  set.call(this, source.length > packetBytes ? source.slice() : source, offset);
};

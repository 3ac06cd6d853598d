// What a router cannot do without, in C: `router` is compared with it. Takes first packets from one UDP socket, finds the
// name in a table, appends SOURCE (the sender and itself), sends to the rule's next hop. No cookies, no limits, no
// choice among instances, no counters. Arguments: own IPv4 address, and how many packets a system call may bring and take:
// with 1 recvfrom and sendto, with more recvmmsg and sendmmsg. A datagram "RULE", name 32, address 4, port 2 enters a rule
// and is sent back.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum {
  PACKET_BYTES = 2048,
  MOST_BATCH = 64,
  SLOTS = 4096,
  NAME = 32,
  BASE_HEADER = 16,
  SERVICE = 0x82,
  SOURCE = 0x03,
  ENTRY = 20,
  SOURCE_BYTES = 4 + 2 * ENTRY,
  RULE_BYTES = 4 + NAME + 4 + 2,
};

struct rule {
  uint8_t name[NAME];
  struct sockaddr_in next;
};

static struct rule rules[SLOTS];
static uint8_t packets[MOST_BATCH][PACKET_BYTES];
static struct sockaddr_in addresses[MOST_BATCH];
static struct sockaddr_in self;

static struct rule *find(const uint8_t *name) {
  uint32_t hash = 2166136261u;
  for (int i = 0; i < NAME; i++) hash = (hash ^ name[i]) * 16777619u;
  for (uint32_t slot = hash % SLOTS;; slot = (slot + 1) % SLOTS) {
    struct rule *rule = &rules[slot];
    if (rule->next.sin_port == 0 || memcmp(rule->name, name, NAME) == 0) return rule;
  }
}

static void put_entry(uint8_t *at, const struct sockaddr_in *locator, int flags) {
  memset(at, 0, ENTRY);
  memcpy(at, &locator->sin_port, 2);
  at[2] = (uint8_t)(flags << 4 | 4);
  memcpy(at + 4, &locator->sin_addr, 4);
}

// The size of what is to be sent on, or 0; `address` becomes where to.
static size_t handle(uint8_t *packet, size_t bytes, struct sockaddr_in *address) {
  if (bytes == RULE_BYTES && memcmp(packet, "RULE", 4) == 0) {
    struct rule *rule = find(packet + 4);
    memcpy(rule->name, packet + 4, NAME);
    rule->next.sin_family = AF_INET;
    memcpy(&rule->next.sin_addr, packet + 4 + NAME, 4);
    memcpy(&rule->next.sin_port, packet + 8 + NAME, 2);
    return bytes;
  }
  if (bytes < BASE_HEADER || packet[0] != 0x11) return 0;
  size_t header = packet[1] * 4u, total = (size_t)packet[4] << 8 | packet[5];
  if (header > total || total > bytes || total + SOURCE_BYTES > PACKET_BYTES) return 0;
  const uint8_t *name = NULL;
  for (size_t at = BASE_HEADER; at + 4 <= header;) {
    size_t length = packet[at + 1] * 4u;
    if (length == 0 || at + length > header || packet[at] == SOURCE) return 0;
    if (packet[at] == SERVICE && length >= 4 + NAME) name = packet + at + 4;
    at += length;
  }
  if (name == NULL) return 0;
  const struct rule *rule = find(name);
  if (rule->next.sin_port == 0) return 0;
  memmove(packet + header + SOURCE_BYTES, packet + header, total - header);
  uint8_t *source = packet + header;
  memcpy(source, (uint8_t[]){SOURCE, SOURCE_BYTES / 4, 0, 0}, 4);
  put_entry(source + 4, address, 0);
  put_entry(source + 4 + ENTRY, &self, 1);
  header += SOURCE_BYTES;
  total += SOURCE_BYTES;
  packet[1] = (uint8_t)(header / 4);
  packet[4] = (uint8_t)(total >> 8);
  packet[5] = (uint8_t)total;
  *address = rule->next;
  return total > bytes ? total : bytes;
}

static void forward_singly(int fd) {
  for (;;) {
    socklen_t length = sizeof *addresses;
    ssize_t bytes = recvfrom(fd, packets[0], PACKET_BYTES, 0, (struct sockaddr *)addresses, &length);
    if (bytes < 0) continue;
    size_t out = handle(packets[0], (size_t)bytes, addresses);
    if (out > 0) sendto(fd, packets[0], out, 0, (struct sockaddr *)addresses, sizeof *addresses);
  }
}

static void forward_in_batches(int fd, unsigned batch) {
  struct mmsghdr in[MOST_BATCH], out[MOST_BATCH];
  struct iovec pieces[MOST_BATCH];
  for (;;) {
    for (unsigned i = 0; i < batch; i++) {
      pieces[i] = (struct iovec){packets[i], PACKET_BYTES};
      in[i] = (struct mmsghdr){.msg_hdr = {&addresses[i], sizeof *addresses, &pieces[i], 1, NULL, 0, 0}};
    }
    int received = recvmmsg(fd, in, batch, MSG_WAITFORONE, NULL);
    unsigned sending = 0;
    for (int i = 0; i < received; i++) {
      size_t bytes = handle(packets[i], in[i].msg_len, &addresses[i]);
      if (bytes == 0) continue;
      pieces[i].iov_len = bytes;
      out[sending++] = in[i];
    }
    if (sending > 0) sendmmsg(fd, out, sending, 0);
  }
}

int main(int count, char **arguments) {
  unsigned batch = count > 2 ? (unsigned)atoi(arguments[2]) : 1;
  if (count < 2 || batch < 1 || batch > MOST_BATCH || inet_pton(AF_INET, arguments[1], &self.sin_addr) != 1) {
    fprintf(stderr, "usage: forwarder OWN-IPV4-ADDRESS [PACKETS-PER-CALL]\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  self.sin_family = AF_INET;
  socklen_t length = sizeof self;
  if (bind(fd, (struct sockaddr *)&self, sizeof self) < 0 || getsockname(fd, (struct sockaddr *)&self, &length) < 0) {
    perror("bind");
    return 1;
  }
  printf("ready %s:%d\n", arguments[1], ntohs(self.sin_port));
  fflush(stdout);
  if (batch == 1) forward_singly(fd);
  else forward_in_batches(fd, batch);
}

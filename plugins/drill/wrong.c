/* A plugin that is wrong as it is told, for the tests: each macro breaks one thing. */

#include "picoclaw_plugin.h"

#include <stddef.h>

#ifndef MAGIC
#define MAGIC PICOCLAW_MAGIC
#endif
#ifndef MAJOR
#define MAJOR PICOCLAW_ABI_MAJOR
#endif
#ifndef SIZE
#define SIZE sizeof(PicoclawDescriptor)
#endif
#ifndef CREATE
#define CREATE create
#endif
#ifndef ENTRY
#define ENTRY picoclaw_plugin_entry
#endif

static char instance;

static int32_t create(const PicoclawHost *host, PicoclawText config, void **out, PicoclawErrorText *error) {
  (void)host, (void)config, (void)error;
  *out = &instance;
  return PICOCLAW_OK;
}

static int32_t on_events(void *self, const PicoclawBatch *batch, PicoclawErrorText *error) {
  (void)self, (void)batch, (void)error;
#ifdef HANG_AT_EXIT
  return PICOCLAW_OK;
#else
  return *(volatile int32_t *)8;
#endif
}

#ifdef HANG_AT_EXIT
#include <unistd.h>

__attribute__((destructor)) static void at_exit(void) {
  for (;;) sleep(1);
}
#endif

static void destroy(void *self) { (void)self; }

const PicoclawDescriptor *ENTRY(uint32_t host_major, uint32_t host_minor) {
  /* Longer than any version: what is beyond the host's knowledge must not matter. */
  static const struct {
    PicoclawDescriptor known;
    void *unknown[8];
  } descriptor = {{.magic = MAGIC,
                   .major = MAJOR,
                   .size = SIZE,
                   .create = CREATE,
                   .on_events = on_events,
                   .destroy = destroy},
                  {(void *)1}};
  (void)host_major, (void)host_minor;
  (void)create;
  return &descriptor.known;
}

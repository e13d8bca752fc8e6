/* A PicoClaw plugin in C: counts events by kind, and writes the counts to a file with each flush.
 *
 * The configuration is {"file": "/path"}. Lines are "<kind> <count>", sorted by first appearance; "lost" counts the events
 * that the gateway says were lost. The file is replaced as a whole, so a reader never sees half of it.
 *
 *     cc -shared -fPIC -O2 -I ../sdk/include -o libcounter.so counter.c
 */

#include "picoclaw_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_KINDS = 64, LONGEST_KIND = 64, LONGEST_PATH = 1024 };

typedef struct {
  char kind[LONGEST_KIND];
  uint64_t count;
} Row;

typedef struct {
  const PicoclawHost *host;
  char path[LONGEST_PATH];
  uint64_t lost;
  size_t rows;
  Row row[MOST_KINDS];
} Counter;

static PicoclawText text(const char *words) {
  return (PicoclawText){.data = words, .len = strlen(words)};
}

/* Says what went wrong, as far as there is room. */
static int32_t fail(PicoclawErrorText *error, int32_t code, const char *words) {
  if (error != NULL && error->data != NULL) {
    size_t len = strlen(words);
    error->len = len < error->capacity ? len : error->capacity;
    memcpy(error->data, words, error->len);
  }
  return code;
}

/* The value of "file" in the configuration: enough of JSON for one path without escapes. */
static int read_path(PicoclawText config, char *path) {
  static const char key[] = "\"file\"";
  for (size_t at = 0; at + sizeof key - 1 <= config.len; at++) {
    if (memcmp(config.data + at, key, sizeof key - 1) != 0) continue;
    size_t from = at + sizeof key - 1;
    while (from < config.len && config.data[from] != '"') from++;
    size_t to = ++from;
    while (to < config.len && config.data[to] != '"' && config.data[to] != '\\') to++;
    if (to >= config.len || config.data[to] == '\\' || to == from || to - from >= LONGEST_PATH - 8) return 0;
    memcpy(path, config.data + from, to - from);
    path[to - from] = '\0';
    return 1;
  }
  return 0;
}

static int32_t create(const PicoclawHost *host, PicoclawText config, void **out, PicoclawErrorText *error) {
  Counter *counter = calloc(1, sizeof *counter);
  if (counter == NULL) return fail(error, PICOCLAW_ERR_RETRY, "no memory");
  if (!read_path(config, counter->path)) {
    free(counter);
    return fail(error, PICOCLAW_ERR_CONFIG, "file: missing; give the path of the file to write");
  }
  counter->host = host;
  *out = counter;
  return PICOCLAW_OK;
}

static void count(Counter *counter, PicoclawText kind) {
  size_t len = kind.len < LONGEST_KIND - 1 ? kind.len : LONGEST_KIND - 1;
  for (size_t i = 0; i < counter->rows; i++) {
    Row *row = &counter->row[i];
    if (strlen(row->kind) == len && memcmp(row->kind, kind.data, len) == 0) {
      row->count++;
      return;
    }
  }
  if (counter->rows == MOST_KINDS) return;
  Row *row = &counter->row[counter->rows++];
  memcpy(row->kind, kind.data, len);
  row->count = 1;
}

static int32_t on_events(void *instance, const PicoclawBatch *batch, PicoclawErrorText *error) {
  (void)error;
  Counter *counter = instance;
  counter->lost += batch->dropped_before;
  const char *at = (const char *)batch->events;
  /* By the stride, not by the size of our own struct: a later gateway has longer events. */
  for (uint32_t i = 0; i < batch->count; i++, at += batch->event_stride)
    count(counter, ((const PicoclawEvent *)(const void *)at)->kind);
  return PICOCLAW_OK;
}

static int32_t flush(void *instance, uint64_t within_ns, PicoclawErrorText *error) {
  (void)within_ns;
  Counter *counter = instance;
  char temporary[LONGEST_PATH + sizeof ".new"];
  snprintf(temporary, sizeof temporary, "%s.new", counter->path);
  FILE *file = fopen(temporary, "w");
  if (file == NULL) return fail(error, PICOCLAW_ERR_RETRY, "the file cannot be written");
  for (size_t i = 0; i < counter->rows; i++)
    fprintf(file, "%s %llu\n", counter->row[i].kind, (unsigned long long)counter->row[i].count);
  fprintf(file, "lost %llu\n", (unsigned long long)counter->lost);
  if (fclose(file) != 0 || rename(temporary, counter->path) != 0)
    return fail(error, PICOCLAW_ERR_RETRY, "the file cannot be replaced");
  return PICOCLAW_OK;
}

static void destroy(void *instance) {
  Counter *counter = instance;
  if (counter->host->log != NULL)
    counter->host->log(counter->host->context, PICOCLAW_DEBUG, text("counted to the end"));
  free(counter);
}

const PicoclawDescriptor *picoclaw_plugin_entry(uint32_t host_major, uint32_t host_minor) {
  static const PicoclawDescriptor descriptor = {
      .magic = PICOCLAW_MAGIC,
      .major = PICOCLAW_ABI_MAJOR,
      .minor = PICOCLAW_ABI_MINOR,
      .size = sizeof descriptor,
      .name = {.data = "counter", .len = 7},
      .version = {.data = "1.0", .len = 3},
      .create = create,
      .on_events = on_events,
      .flush = flush,
      .destroy = destroy,
  };
  (void)host_minor;
  return host_major == PICOCLAW_ABI_MAJOR ? &descriptor : NULL;
}

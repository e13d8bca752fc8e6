/* The plugin interface of PicoClaw, version 1: see docs/plugins.md.
 *
 * A plugin is a shared library that exports
 *
 *     const PicoclawDescriptor *picoclaw_plugin_entry(uint32_t host_major, uint32_t host_minor);
 *
 * Generated from plugins/sdk/src/abi.rs: do not edit.
 */

#ifndef PICOCLAW_PLUGIN_H
#define PICOCLAW_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

// The first four bytes of a descriptor: `PCLW`.
#define PICOCLAW_MAGIC 1464615760

// The version of this ABI. Another major version is another ABI.
#define PICOCLAW_ABI_MAJOR 1

// How much has been appended to this major version.
#define PICOCLAW_ABI_MINOR 0

// It worked.
#define PICOCLAW_OK 0

// It failed for good: what it was about is lost.
#define PICOCLAW_ERR 1

// The configuration is wrong; from `create` only.
#define PICOCLAW_ERR_CONFIG 2

// It may work later: the host keeps the batch and hands it over again.
#define PICOCLAW_ERR_RETRY 3

// The plugin panicked and refuses everything from now on.
#define PICOCLAW_ERR_PANIC 4

// The plugin had panicked before.
#define PICOCLAW_ERR_POISONED 5

// For developers.
#define PICOCLAW_DEBUG 0

// What an operator wants to see.
#define PICOCLAW_INFO 1

// Something went wrong and was dealt with.
#define PICOCLAW_WARN 2

// Something was lost.
#define PICOCLAW_ERROR 3

// An attribute is a text.
#define PICOCLAW_TEXT 1

// An attribute is a number of things.
#define PICOCLAW_COUNT 2

// An attribute is a length of time in nanoseconds.
#define PICOCLAW_DURATION 3

// UTF-8 without a zero at the end.
typedef struct PicoclawText {
  // The first byte; anything, also NULL, when the length is 0.
  const char *data;
  // How many bytes.
  size_t len;
} PicoclawText;

// Room for an error text, owned by the caller.
typedef struct PicoclawErrorText {
  // The size of this struct.
  uint32_t size;
  // 0.
  uint32_t reserved;
  // Where the text goes: UTF-8.
  char *data;
  // How many bytes there is room for.
  size_t capacity;
  // How many bytes were written.
  size_t len;
} PicoclawErrorText;

// One fact of an event. The stride of an array of them stands in the batch.
typedef struct PicoclawAttribute {
  // Its name.
  struct PicoclawText key;
  // `PICOCLAW_TEXT`, `PICOCLAW_COUNT` or `PICOCLAW_DURATION`; skip what you do not know.
  uint32_t kind;
  // 0.
  uint32_t reserved;
  // The value of a text.
  struct PicoclawText text;
  // The value of everything else.
  uint64_t number;
} PicoclawAttribute;

// A happening. The stride of an array of them stands in the batch.
typedef struct PicoclawEvent {
  // Its number in the stream of the gateway.
  uint64_t seq;
  // When it happened, in nanoseconds since 1970.
  uint64_t time_unix_ns;
  // Its dotted kind, such as `agent.llm.response`.
  struct PicoclawText kind;
  // Which part of the gateway it concerns.
  struct PicoclawText component;
  // A sentence for people.
  struct PicoclawText message;
  // `PICOCLAW_DEBUG` to `PICOCLAW_ERROR`.
  uint32_t level;
  // How many attributes.
  uint32_t attribute_count;
  // The first of them; the next lies `attribute_stride` bytes further.
  const struct PicoclawAttribute *attributes;
} PicoclawEvent;

// Events in their order.
typedef struct PicoclawBatch {
  // The size of this struct.
  uint32_t size;
  // From one event to the next, in bytes.
  uint32_t event_stride;
  // From one attribute to the next, in bytes.
  uint32_t attribute_stride;
  // How many events.
  uint32_t count;
  // How many events were lost between the last batch and this one.
  uint64_t dropped_before;
  // The first event.
  const struct PicoclawEvent *events;
} PicoclawBatch;

// What the gateway offers to an instance. Valid until the process ends.
typedef struct PicoclawHost {
  // The size of this struct.
  uint32_t size;
  // The minor version of the ABI that the gateway speaks.
  uint32_t minor;
  // To be passed back in every call.
  void *context;
  // Writes a line to the gateway's log. From any thread; too many lines are dropped and counted.
  void (*log)(void *context, uint32_t level, struct PicoclawText text);
  // Something that the gateway offers beyond this struct, or NULL.
  const void *(*get_extension)(void *context, struct PicoclawText name);
} PicoclawHost;

// What a plugin is. Valid until the process ends.
typedef struct PicoclawDescriptor {
  // `PICOCLAW_MAGIC`.
  uint32_t magic;
  // `PICOCLAW_ABI_MAJOR` of the header that the plugin was built with.
  uint16_t major;
  // `PICOCLAW_ABI_MINOR` of the header that the plugin was built with.
  uint16_t minor;
  // The size of this struct in that header.
  uint32_t size;
  // 0.
  uint32_t flags;
  // The plugin's name.
  struct PicoclawText name;
  // The plugin's own version.
  struct PicoclawText version;
  // Makes an instance. `config` is JSON. Without success `out` is left alone, and `destroy` is not called.
  int32_t (*create)(const struct PicoclawHost *host,
                    struct PicoclawText config,
                    void **out,
                    struct PicoclawErrorText *error);
  // Takes events.
  int32_t (*on_events)(void *instance,
                       const struct PicoclawBatch *batch,
                       struct PicoclawErrorText *error);
  // Makes durable or sends what was taken, within this many nanoseconds. May be NULL.
  int32_t (*flush)(void *instance, uint64_t within_ns, struct PicoclawErrorText *error);
  // Says whether all is well; the text says what is not. May be NULL.
  int32_t (*health)(void *instance, struct PicoclawErrorText *error);
  // Ends an instance.
  void (*destroy)(void *instance);
  // Something that the plugin offers beyond this struct, such as `picoclaw.tool/1`, or NULL. May be NULL itself.
  const void *(*get_extension)(struct PicoclawText name);
} PicoclawDescriptor;

// Takes a text of any length from a plugin, piece by piece.
typedef struct PicoclawReply {
  // The size of this struct.
  uint32_t size;
  // 0.
  uint32_t reserved;
  // To be passed back.
  void *context;
  // Appends a piece; anything but `PICOCLAW_OK` says that the text is too long.
  int32_t (*write)(void *context, struct PicoclawText piece);
} PicoclawReply;

// `picoclaw.tool/1`: functions that a model can call.
typedef struct PicoclawToolExtension {
  // The size of this struct.
  uint32_t size;
  // 0.
  uint32_t reserved;
  // Writes a JSON list of `{"name", "description", "parameters"}`; the last is a JSON schema of an object.
  int32_t (*list)(void *instance, const struct PicoclawReply *reply, struct PicoclawErrorText *error);
  // Does it. `arguments` is a JSON object; the reply, or the error, is a text for the model.
  int32_t (*call)(void *instance,
                  struct PicoclawText name,
                  struct PicoclawText arguments,
                  const struct PicoclawReply *reply,
                  struct PicoclawErrorText *error);
} PicoclawToolExtension;

#endif  /* PICOCLAW_PLUGIN_H */

#ifdef __cplusplus
extern "C" {
#endif

/* What a plugin exports. NULL refuses the host. */
const PicoclawDescriptor *picoclaw_plugin_entry(uint32_t host_major, uint32_t host_minor);

#ifdef __cplusplus
}
#endif

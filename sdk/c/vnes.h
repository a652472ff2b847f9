/*
 * What the author of a native capsule includes: frames, JSON, the key cache and the engine of a capsule's turns, in one header for C11 and
 * libc. docs/native.md is the page about it.
 *
 *   #define VNES_IMPLEMENTATION
 *   #include "vnes.h"
 *
 *   static vnes_value *greet(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info) {
 *     (void)info;
 *     return vnes_new_text(turn, vnes_format(turn, "Hello, %s!", vnes_text(vnes_member(input, "name"))));
 *   }
 *   static const vnes_call_handler calls[] = {{"acme.greeter.greet", greet}, {NULL, NULL}};
 *   int main(void) {
 *     static const vnes_handlers handlers = {.calls = calls};
 *     return vnes_serve(&handlers);
 *   }
 *
 * 1. A handler runs one turn to completion. What it is given and what it makes lives until the turn is over, and no longer.
 * 2. What stops a turn (a key that is not here yet, an effect that is not JSON, memory that ran out) leaves the handler by longjmp: what a
 *    handler has malloc'ed itself is lost then. vnes_alloc is given back with the turn.
 * 3. Static variables are caches: a turn may run in a fresh process.
 * 4. Text is UTF-8 and ends in NUL. Half surrogates in what arrives are three bytes each, and leave as they came.
 */
#ifndef VNES_H
#define VNES_H

#if defined(VNES_IMPLEMENTATION) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* where the compiler was told c11 and nothing more: read, write and limits; so include this first */
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* C++ may include what is declared here; one file of C has the implementation. longjmp runs no destructors (2). */
#if defined(__cplusplus)
#define VNES_NORETURN [[noreturn]]
extern "C" {
#else
#define VNES_NORETURN _Noreturn
#endif

typedef struct vnes_turn vnes_turn;
typedef struct vnes_value vnes_value;

/* --- Values. Every one that reads takes NULL for "not there", and gives the empty value of its kind for one of another kind. --- */

typedef enum { VNES_NULL, VNES_BOOLEAN, VNES_NUMBER, VNES_TEXT, VNES_ARRAY, VNES_OBJECT } vnes_kind;

vnes_kind vnes_kind_of(const vnes_value *value);
bool vnes_boolean(const vnes_value *value);
double vnes_number(const vnes_value *value);
const char *vnes_text(const vnes_value *value);
/* In bytes: text may hold a NUL. */
size_t vnes_text_length(const vnes_value *value);
/* Items of an array or members of an object. */
size_t vnes_count(const vnes_value *value);
const vnes_value *vnes_at(const vnes_value *value, size_t index);
const char *vnes_name_at(const vnes_value *value, size_t index);
/* NULL when there is none. */
const vnes_value *vnes_member(const vnes_value *value, const char *name);

vnes_value *vnes_new_null(vnes_turn *turn);
vnes_value *vnes_new_boolean(vnes_turn *turn, bool value);
vnes_value *vnes_new_number(vnes_turn *turn, double value);
vnes_value *vnes_new_text(vnes_turn *turn, const char *text);
vnes_value *vnes_new_array(vnes_turn *turn);
vnes_value *vnes_new_object(vnes_turn *turn);
void vnes_push(vnes_turn *turn, vnes_value *array, const vnes_value *item);
/* Replaces a member of that name. */
void vnes_put(vnes_turn *turn, vnes_value *object, const char *name, const vnes_value *member);

/* --- A turn --- */

/* Node time in whole milliseconds. */
int64_t vnes_at_ms(const vnes_turn *turn);
/* In [0, 1), from the turn's seed. */
double vnes_random(vnes_turn *turn);
/* `<prefix>_` and 20 characters from the turn's seed. */
const char *vnes_id(vnes_turn *turn, const char *prefix);
/* Memory and text that live as long as the turn; never NULL. */
void *vnes_alloc(vnes_turn *turn, size_t size);
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
const char *vnes_format(vnes_turn *turn, const char *format, ...);
/* Ends the turn as an exception would elsewhere: TURN_HANDLER_THREW, nothing kept. */
VNES_NORETURN void vnes_fail(vnes_turn *turn, const char *message);

/* NULL when the key does not exist. */
const vnes_value *vnes_get(vnes_turn *turn, const char *key);
void vnes_set(vnes_turn *turn, const char *key, const vnes_value *value);
void vnes_delete(vnes_turn *turn, const char *key);

/* The version of a key that does not exist. */
#define VNES_NO_KEY 0
/* No version is expected. */
#define VNES_ANY (-1)
/* Of the key before this turn: seq of the record that last wrote it. */
int64_t vnes_version(vnes_turn *turn, const char *key);
/* Compare-and-set: the turn fails with TURN_VERSION_CONFLICT unless vnes_version is `expect`. `ttl_ms` 0: the key stays. */
void vnes_set_with(vnes_turn *turn, const char *key, const vnes_value *value, int64_t expect, int64_t ttl_ms);
void vnes_delete_with(vnes_turn *turn, const char *key, int64_t expect);

typedef struct {
  const char *key;
  const vnes_value *value;
} vnes_entry;
/* Every key that starts with `prefix`, sorted by UTF-16 code units. */
size_t vnes_entries(vnes_turn *turn, const char *prefix, const vnes_entry **entries);

void vnes_publish(vnes_turn *turn, const char *topic, const char *key, const vnes_value *event);

typedef struct {
  const char *capability;
  const char *method;
  const vnes_value *input;
  const char *tag;
  const vnes_value *context;
  int64_t timeout_ms; /* 0: 5000 */
} vnes_call;
/* The end of it arrives at the answer handler of `tag`. */
void vnes_ask(vnes_turn *turn, const vnes_call *call);

typedef struct {
  const char *capsule;
  const char *tag;
  const char *const *keys; /* ends in NULL; either these or a prefix */
  const char *prefix;
  const char *after;
  int64_t limit; /* 0: the kernel's own */
  bool has_shard; /* may be false when the owner has one */
  int64_t shard;
  const vnes_value *context;
  int64_t timeout_ms; /* 0: 5000 */
} vnes_read;
void vnes_read_keys(vnes_turn *turn, const vnes_read *read);

/* Ends a call whose handler returned vnes_later: {"ok":true,"value":...} or {"ok":false,"code":...,"message":...}. */
void vnes_answer(vnes_turn *turn, const char *call_id, const vnes_value *answer);
void vnes_set_timer(vnes_turn *turn, const char *id, int64_t at, const vnes_value *payload);
void vnes_cancel_timer(vnes_turn *turn, const char *id);
/* `level`: debug, info, warn or error. `data` may be NULL. */
void vnes_log(vnes_turn *turn, const char *level, const char *message, const vnes_value *data);

/* Returned by a call handler to end the call with a coded error; `details` may be NULL. Effects already asked for are kept. */
vnes_value *vnes_refuse(vnes_turn *turn, const char *code, const char *message, const vnes_value *details);
/* Returned by a call handler that will answer in a later turn. */
extern vnes_value *const vnes_later;

/* --- Handlers: tables that end in {NULL, NULL} --- */

typedef struct {
  const char *call_id;
  const char *caller;
  int64_t deadline_at;
} vnes_call_info;
typedef struct {
  const char *topic;
  const char *key;
  int64_t partition;
  int64_t seq; /* 0 on an at_most_once topic */
} vnes_event_info;

typedef struct {
  const char *topic;
  void (*run)(vnes_turn *turn, const vnes_value *event, const vnes_event_info *info);
} vnes_event_handler;
typedef struct {
  const char *topic;
  /* Each item has seq, key and event; `info` has neither key nor seq. */
  void (*run)(vnes_turn *turn, const vnes_value *events, const vnes_event_info *info);
} vnes_batch_handler;
typedef struct {
  const char *method; /* <capability>.<method> */
  /* NULL is null. */
  vnes_value *(*run)(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info);
} vnes_call_handler;
typedef struct {
  const char *tag;
  void (*run)(vnes_turn *turn, const vnes_value *answer, const vnes_value *context, const char *call_id);
} vnes_answer_handler;
typedef struct {
  const char *name; /* the part of the timer's id before its first colon */
  void (*run)(vnes_turn *turn, const vnes_value *payload, const char *id, int64_t due_at);
} vnes_timer_handler;

typedef struct {
  void (*start)(vnes_turn *turn, const vnes_value *config, bool resumed);
  const vnes_event_handler *events;
  const vnes_batch_handler *batches;
  const vnes_call_handler *calls;
  const vnes_answer_handler *answers;
  const vnes_timer_handler *timers;
} vnes_handlers;

/* Serves the kernel on descriptor 3 until it is gone; the exit code of `main`. */
int vnes_serve(const vnes_handlers *handlers);

#if defined(__cplusplus)
}
#endif

#endif

#ifdef VNES_IMPLEMENTATION

#if defined(__cplusplus)
#error "the implementation is C: define VNES_IMPLEMENTATION in a .c file, and link its object"
#endif

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define VNES__KERNEL_FD 3
#define VNES__PROTOCOL 1
#define VNES__EXIT_PROTOCOL 70
#define VNES__MAX_FRAME (64u * 1024 * 1024)
#define VNES__MAX_DEPTH 64
/* Of what the kernel says: a value stands in a delivery in a request. */
#define VNES__MAX_READ_DEPTH 128
#define VNES__MAX_SAFE 9007199254740991.0
#define VNES__MAX_ASKED 65536
#define VNES__MAX_LOGS 64
#define VNES__MAX_LOG_MESSAGE 2000
#define VNES__MAX_LOG_DATA 16384
#define VNES__MAX_REASON 500
/* Of a message that is longer: its beginning, which names something, and its end, which says what is wrong with it. */
#define VNES__MAX_TOLD 1000
#define VNES__MAX_TAIL 200
#define VNES__DEFAULT_TIMEOUT_MS 5000
#define VNES__ENTRY_BYTES 64
#define VNES__BLOCK_BYTES 65536
/* Results leave at least this often, and far below a frame. */
#define VNES__FLUSH_NS 5000000
#define VNES__FLUSH_BYTES (512u * 1024)
/* What a process needs besides its capsule, and what it takes to say that memory has run out. */
#define VNES__PROCESS_BYTES (16u * 1024 * 1024)
#define VNES__ANSWER_BYTES (8u * 1024 * 1024)

enum { VNES__STOPPED = 1, VNES__NO_MEMORY = 2 };

static _Noreturn void vnes__broken(const char *why) {
  fprintf(stderr, "Error: %s\n", why);
  _exit(VNES__EXIT_PROTOCOL);
}

/* --- Memory: a turn has an arena; buffers grow. Running out of it ends the turn. --- */

typedef struct vnes__block {
  struct vnes__block *next;
  size_t size, used;
} vnes__block;

typedef struct {
  vnes__block *blocks;
} vnes__arena;

/* Of the turn that runs: where running out of memory goes. */
static jmp_buf *vnes__escape;

static _Noreturn void vnes__no_memory(void) {
  if (vnes__escape == NULL) vnes__broken("memory has run out between turns");
  longjmp(*vnes__escape, VNES__NO_MEMORY);
}

static void *vnes__resized(void *old, size_t size) {
  void *resized = realloc(old, size == 0 ? 1 : size);
  if (resized == NULL) vnes__no_memory();
  return resized;
}

static void *vnes__take(vnes__arena *arena, size_t size) {
  const size_t header = (sizeof(vnes__block) + 15) & ~(size_t)15;
  if (size > SIZE_MAX / 2) vnes__no_memory();
  size = (size + 15) & ~(size_t)15;
  vnes__block *block = arena->blocks;
  if (block == NULL || block->size - block->used < size) {
    const size_t room = size > VNES__BLOCK_BYTES ? size : VNES__BLOCK_BYTES;
    block = vnes__resized(NULL, header + room);
    *block = (vnes__block){arena->blocks, room, 0};
    arena->blocks = block;
  }
  void *taken = (char *)block + header + block->used;
  block->used += size;
  return memset(taken, 0, size);
}

/* Keeps one block for the next turn. */
static void vnes__give_back(vnes__arena *arena) {
  while (arena->blocks != NULL && arena->blocks->next != NULL) {
    vnes__block *next = arena->blocks->next;
    free(arena->blocks);
    arena->blocks = next;
  }
  if (arena->blocks != NULL) arena->blocks->used = 0;
}

typedef struct {
  char *bytes;
  size_t length, room;
} vnes__buffer;

static void vnes__add(vnes__buffer *buffer, const char *bytes, size_t length) {
  if (buffer->room - buffer->length < length + 1) {
    size_t room = buffer->room == 0 ? 256 : buffer->room;
    while (room - buffer->length < length + 1) room *= 2;
    buffer->bytes = vnes__resized(buffer->bytes, room);
    buffer->room = room;
  }
  if (length > 0) memcpy(buffer->bytes + buffer->length, bytes, length);
  buffer->length += length;
  buffer->bytes[buffer->length] = 0;
}

static void vnes__say(vnes__buffer *buffer, const char *text) { vnes__add(buffer, text, strlen(text)); }

static void vnes__say_integer(vnes__buffer *buffer, int64_t number) {
  char digits[32];
  const int length = snprintf(digits, sizeof digits, "%lld", (long long)number);
  vnes__add(buffer, digits, (size_t)length);
}

/* --- Values --- */

typedef struct {
  const char *name; /* NULL in an array */
  size_t length;
  const vnes_value *value;
} vnes__member;

struct vnes_value {
  vnes_kind kind;
  bool boolean;
  double number;
  const char *text;
  size_t length;
  vnes__member *members;
  size_t count, room;
  /* As it was read; NULL for what a handler made. */
  const char *raw;
  size_t raw_length;
};

static vnes_value vnes__later_value;
vnes_value *const vnes_later = &vnes__later_value;

vnes_kind vnes_kind_of(const vnes_value *value) { return value == NULL ? VNES_NULL : value->kind; }
bool vnes_boolean(const vnes_value *value) { return vnes_kind_of(value) == VNES_BOOLEAN && value->boolean; }
double vnes_number(const vnes_value *value) { return vnes_kind_of(value) == VNES_NUMBER ? value->number : 0; }
const char *vnes_text(const vnes_value *value) { return vnes_kind_of(value) == VNES_TEXT ? value->text : ""; }
size_t vnes_text_length(const vnes_value *value) { return vnes_kind_of(value) == VNES_TEXT ? value->length : 0; }
size_t vnes_count(const vnes_value *value) { return value == NULL ? 0 : value->count; }
const vnes_value *vnes_at(const vnes_value *value, size_t index) {
  return index < vnes_count(value) ? value->members[index].value : NULL;
}
const char *vnes_name_at(const vnes_value *value, size_t index) {
  return vnes_kind_of(value) == VNES_OBJECT && index < value->count ? value->members[index].name : "";
}

/* What is no integer of JSON is 0: to convert it would be undefined. */
static int64_t vnes__integer(const vnes_value *value) {
  const double number = vnes_number(value);
  return fabs(number) <= VNES__MAX_SAFE ? (int64_t)number : 0;
}

static size_t vnes__bytes(const vnes_value *value) {
  const int64_t bytes = vnes__integer(value);
  return bytes < 0 ? 0 : (size_t)bytes;
}

static vnes__member *vnes__find(const vnes_value *value, const char *name, size_t length) {
  if (vnes_kind_of(value) != VNES_OBJECT) return NULL;
  for (size_t index = 0; index < value->count; index++) {
    vnes__member *member = &value->members[index];
    if (member->length == length && memcmp(member->name, name, length) == 0) return member;
  }
  return NULL;
}

const vnes_value *vnes_member(const vnes_value *value, const char *name) {
  const vnes__member *member = vnes__find(value, name, strlen(name));
  return member == NULL ? NULL : member->value;
}

static void vnes__append(vnes__arena *arena, vnes_value *value, vnes__member member) {
  if (value->count == value->room) {
    const size_t room = value->room == 0 ? 4 : value->room * 2;
    vnes__member *members = vnes__take(arena, room * sizeof *members);
    if (value->count > 0) memcpy(members, value->members, value->count * sizeof *members);
    value->members = members;
    value->room = room;
  }
  value->members[value->count++] = member;
}

/* --- Reading JSON, which is the kernel's and well-formed; what is not ends the process. --- */

typedef struct {
  const char *at, *end; /* a NUL stands at `end` */
  vnes__arena *arena;
  int depth;
} vnes__reader;

static void vnes__blanks(vnes__reader *reader) {
  while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r') reader->at++;
}

static bool vnes__skip(vnes__reader *reader, char wanted) {
  vnes__blanks(reader);
  if (*reader->at != wanted) return false;
  reader->at++;
  return true;
}

static void vnes__expect(vnes__reader *reader, const char *text) {
  const size_t length = strlen(text);
  if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, text, length) != 0)
    vnes__broken("the kernel sent something that is not JSON");
  reader->at += length;
}

static unsigned vnes__hex(vnes__reader *reader) {
  unsigned unit = 0;
  for (int digit = 0; digit < 4; digit++) {
    const char c = *reader->at;
    unsigned value;
    if (c >= '0' && c <= '9') value = (unsigned)(c - '0');
    else if (c >= 'a' && c <= 'f') value = (unsigned)(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F') value = (unsigned)(c - 'A') + 10;
    else vnes__broken("the kernel sent an escape that is none");
    unit = unit << 4 | value;
    reader->at++;
  }
  return unit;
}

static size_t vnes__encode(char *out, unsigned code) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | code >> 18);
  out[1] = (char)(0x80 | (code >> 12 & 0x3f));
  out[2] = (char)(0x80 | (code >> 6 & 0x3f));
  out[3] = (char)(0x80 | (code & 0x3f));
  return 4;
}

/* Behind the quotation mark. Never longer than what it is read from. */
static const char *vnes__read_text(vnes__reader *reader, size_t *length) {
  const char *close = reader->at;
  while (close < reader->end && *close != '"') close += *close == '\\' ? 2 : 1;
  if (close >= reader->end) vnes__broken("the kernel sent a text without an end");
  char *text = vnes__take(reader->arena, (size_t)(close - reader->at) + 1);
  char *out = text;
  while (reader->at < close) {
    const char c = *reader->at++;
    if (c != '\\') {
      *out++ = c;
      continue;
    }
    const char escaped = *reader->at++;
    switch (escaped) {
      case 'b': *out++ = '\b'; break;
      case 'f': *out++ = '\f'; break;
      case 'n': *out++ = '\n'; break;
      case 'r': *out++ = '\r'; break;
      case 't': *out++ = '\t'; break;
      case 'u': {
        unsigned code = vnes__hex(reader);
        if (code >= 0xd800 && code < 0xdc00 && reader->at[0] == '\\' && reader->at[1] == 'u') {
          const char *before = reader->at;
          reader->at += 2;
          const unsigned low = vnes__hex(reader);
          if (low >= 0xdc00 && low < 0xe000) code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
          else reader->at = before;
        }
        out += vnes__encode(out, code);
        break;
      }
      default: *out++ = escaped;
    }
  }
  reader->at = close + 1;
  *out = 0;
  *length = (size_t)(out - text);
  return text;
}

static const vnes_value *vnes__read(vnes__reader *reader) {
  vnes__blanks(reader);
  vnes_value *value = vnes__take(reader->arena, sizeof *value);
  value->raw = reader->at;
  if (++reader->depth > VNES__MAX_READ_DEPTH) vnes__broken("the kernel sent JSON that is nested too deep");
  switch (*reader->at) {
    case 'n':
      vnes__expect(reader, "null");
      break;
    case 't':
      vnes__expect(reader, "true");
      value->kind = VNES_BOOLEAN;
      value->boolean = true;
      break;
    case 'f':
      vnes__expect(reader, "false");
      value->kind = VNES_BOOLEAN;
      break;
    case '"':
      reader->at++;
      value->kind = VNES_TEXT;
      value->text = vnes__read_text(reader, &value->length);
      break;
    case '[':
      reader->at++;
      value->kind = VNES_ARRAY;
      if (vnes__skip(reader, ']')) break;
      do {
        vnes__append(reader->arena, value, (vnes__member){NULL, 0, vnes__read(reader)});
      } while (vnes__skip(reader, ','));
      if (!vnes__skip(reader, ']')) vnes__broken("the kernel sent an array without an end");
      break;
    case '{':
      reader->at++;
      value->kind = VNES_OBJECT;
      if (vnes__skip(reader, '}')) break;
      do {
        vnes__member member;
        if (!vnes__skip(reader, '"')) vnes__broken("the kernel sent a member without a name");
        member.name = vnes__read_text(reader, &member.length);
        if (!vnes__skip(reader, ':')) vnes__broken("the kernel sent a member without a value");
        member.value = vnes__read(reader);
        vnes__append(reader->arena, value, member);
      } while (vnes__skip(reader, ','));
      if (!vnes__skip(reader, '}')) vnes__broken("the kernel sent an object without an end");
      break;
    default: {
      char *end;
      value->kind = VNES_NUMBER;
      value->number = strtod(reader->at, &end);
      /* It reads infinities and hexadecimals, too. */
      if (end == reader->at || strspn(reader->at, "-+.0123456789eE") < (size_t)(end - reader->at)) vnes__broken("the kernel sent something that is not JSON");
      reader->at = end;
    }
  }
  reader->depth--;
  value->raw_length = (size_t)(reader->at - value->raw);
  return value;
}

/* `text` ends in NUL and outlives the value. */
static const vnes_value *vnes__parse(vnes__arena *arena, const char *text, size_t length) {
  vnes__reader reader = {text, text + length, arena, 0};
  return vnes__read(&reader);
}

/* --- Writing JSON, or saying where a value is none --- */

/* Bytes of the character at `text`, 0 when it is not UTF-8. A half surrogate is taken: it came from JSON and goes back there. */
static size_t vnes__character(const unsigned char *text, size_t left) {
  const unsigned char first = text[0];
  size_t size;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) size = 2;
  else if (first >= 0xe0 && first < 0xf0) size = 3;
  else if (first >= 0xf0 && first < 0xf5) size = 4;
  else return 0;
  if (left < size) return 0;
  for (size_t index = 1; index < size; index++)
    if ((text[index] & 0xc0) != 0x80) return 0;
  if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f)) return 0;
  return size;
}

static const char *vnes__write_text(vnes__buffer *out, const char *text, size_t length) {
  vnes__add(out, "\"", 1);
  size_t plain = 0;
  for (size_t index = 0; index < length;) {
    const unsigned char *at = (const unsigned char *)text + index;
    const size_t size = vnes__character(at, length - index);
    if (size == 0) return "a text is not UTF-8";
    const bool half = size == 3 && at[0] == 0xed && at[1] >= 0xa0;
    if (size > 1 ? half : (*at < 0x20 || *at == '"' || *at == '\\')) {
      char escape[8];
      vnes__add(out, text + plain, index - plain);
      if (*at == '"' || *at == '\\') snprintf(escape, sizeof escape, "\\%c", *at);
      else snprintf(escape, sizeof escape, "\\u%04x", half ? 0xd000u | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu) : (unsigned)*at);
      vnes__say(out, escape);
      plain = index + size;
    }
    index += size;
  }
  vnes__add(out, text + plain, length - plain);
  vnes__add(out, "\"", 1);
  return NULL;
}

static const char *vnes__write_number(vnes__buffer *out, double number) {
  char digits[40];
  if (!isfinite(number)) return "a number that is not finite is not JSON";
  if (number == 0 && signbit(number)) return "-0 does not survive JSON";
  if (number == floor(number)) {
    if (fabs(number) > VNES__MAX_SAFE) return "integers beyond 2^53 are written as strings";
    snprintf(digits, sizeof digits, "%.0f", number);
  } else {
    for (int precision = 15; precision <= 17; precision++) {
      snprintf(digits, sizeof digits, "%.*g", precision, number);
      if (strtod(digits, NULL) == number) break;
    }
  }
  vnes__say(out, digits);
  return NULL;
}

/* JavaScript, which the kernel is, has members with such names before all others. -1 for any other name. */
static int64_t vnes__index_of(const vnes__member *member) {
  int64_t index = 0;
  if (member->length == 0 || member->length > 10 || (member->name[0] == '0' && member->length > 1)) return -1;
  for (size_t digit = 0; digit < member->length; digit++) {
    if (member->name[digit] < '0' || member->name[digit] > '9') return -1;
    index = index * 10 + (member->name[digit] - '0');
  }
  return index <= 4294967294 ? index : -1;
}

static int vnes__by_index(const void *a, const void *b) {
  const int64_t first = vnes__index_of(a), second = vnes__index_of(b);
  return first < second ? -1 : first > second;
}

static const char *vnes__write(vnes__buffer *out, const vnes_value *value, int depth);

static const char *vnes__write_member(vnes__buffer *out, const vnes__member *member, bool is_first, int depth) {
  if (!is_first) vnes__add(out, ",", 1);
  if (member->name != NULL) {
    if (strcmp(member->name, "__proto__") == 0) return "a member must not be called __proto__";
    const char *problem = vnes__write_text(out, member->name, member->length);
    if (problem != NULL) return problem;
    vnes__add(out, ":", 1);
  }
  return vnes__write(out, member->value, depth + 1);
}

static const char *vnes__write_members(vnes__buffer *out, const vnes_value *value, int depth) {
  size_t indexes = 0;
  if (value->kind == VNES_OBJECT)
    for (size_t index = 0; index < value->count; index++) indexes += vnes__index_of(&value->members[index]) >= 0;
  if (indexes > 0) {
    vnes__member *first = vnes__resized(NULL, indexes * sizeof *first);
    size_t found = 0;
    for (size_t index = 0; index < value->count; index++)
      if (vnes__index_of(&value->members[index]) >= 0) first[found++] = value->members[index];
    qsort(first, found, sizeof *first, vnes__by_index);
    const char *problem = NULL;
    for (size_t index = 0; index < found && problem == NULL; index++)
      problem = vnes__write_member(out, &first[index], index == 0, depth);
    free(first);
    if (problem != NULL) return problem;
  }
  for (size_t index = 0, written = indexes; index < value->count; index++) {
    if (indexes > 0 && vnes__index_of(&value->members[index]) >= 0) continue;
    const char *problem = vnes__write_member(out, &value->members[index], written++ == 0, depth);
    if (problem != NULL) return problem;
  }
  return NULL;
}

static const char *vnes__write(vnes__buffer *out, const vnes_value *value, int depth) {
  const char *problem;
  switch (vnes_kind_of(value)) {
    case VNES_NULL: vnes__say(out, "null"); return NULL;
    case VNES_BOOLEAN: vnes__say(out, value->boolean ? "true" : "false"); return NULL;
    case VNES_NUMBER: return vnes__write_number(out, value->number);
    case VNES_TEXT: return vnes__write_text(out, value->text, value->length);
    case VNES_ARRAY:
    case VNES_OBJECT:
      if (depth >= VNES__MAX_DEPTH) return "nested deeper than 64";
      vnes__add(out, value->kind == VNES_ARRAY ? "[" : "{", 1);
      problem = vnes__write_members(out, value, depth);
      vnes__add(out, value->kind == VNES_ARRAY ? "]" : "}", 1);
      return problem;
  }
  return "a value of no kind";
}

/* --- Keys: a map that remembers the order of insertion (sdk/src/key-cache.ts says what it is for) --- */

typedef struct {
  char *key;
  char *json; /* NULL: the key does not exist */
  size_t json_length;
  bool knows_version;
  int64_t version;
  size_t counted; /* what it stands for in the host's bytes */
  int64_t expect; /* of a write: VNES_ANY when nothing is expected */
  int64_t ttl_ms;
} vnes__kept;

typedef struct {
  vnes__kept *kept;
  size_t count, room;
  uint32_t *slots; /* index + 1 */
  size_t slot_count;
} vnes__map;

static uint64_t vnes__hash(const char *key) {
  uint64_t hash = 14695981039346656037u; /* FNV-1a */
  for (; *key != 0; key++) hash = (hash ^ (unsigned char)*key) * 1099511628211u;
  return hash;
}

static uint32_t *vnes__slot(const vnes__map *map, const char *key) {
  size_t slot = vnes__hash(key) & (map->slot_count - 1);
  while (map->slots[slot] != 0 && strcmp(map->kept[map->slots[slot] - 1].key, key) != 0)
    slot = (slot + 1) & (map->slot_count - 1);
  return &map->slots[slot];
}

static vnes__kept *vnes__known(const vnes__map *map, const char *key) {
  if (map->slot_count == 0) return NULL;
  const uint32_t found = *vnes__slot(map, key);
  return found == 0 ? NULL : &map->kept[found - 1];
}

/* Of the key, new or not; a new one has all members zero but its key. */
static vnes__kept *vnes__keep(vnes__map *map, const char *key) {
  vnes__kept *known = vnes__known(map, key);
  if (known != NULL) return known;
  if (map->count * 2 >= map->slot_count) {
    const size_t slots = map->slot_count == 0 ? 16 : map->slot_count * 2;
    uint32_t *old = map->slots;
    map->slots = vnes__resized(NULL, slots * sizeof *map->slots);
    memset(map->slots, 0, slots * sizeof *map->slots);
    map->slot_count = slots;
    for (size_t index = 0; index < map->count; index++) *vnes__slot(map, map->kept[index].key) = (uint32_t)index + 1;
    free(old);
  }
  if (map->count == map->room) {
    const size_t room = map->room == 0 ? 16 : map->room * 2;
    map->kept = vnes__resized(map->kept, room * sizeof *map->kept);
    map->room = room;
  }
  const size_t length = strlen(key);
  char *copy = vnes__resized(NULL, length + 1);
  memcpy(copy, key, length + 1);
  map->kept[map->count] = (vnes__kept){.key = copy};
  *vnes__slot(map, key) = (uint32_t)++map->count;
  return &map->kept[map->count - 1];
}

static void vnes__clear(vnes__map *map) {
  for (size_t index = 0; index < map->count; index++) {
    free(map->kept[index].key);
    free(map->kept[index].json);
  }
  map->count = 0;
  if (map->slot_count > 0) memset(map->slots, 0, map->slot_count * sizeof *map->slots);
}

static void vnes__set_json(vnes__kept *kept, const char *json, size_t length) {
  char *copy = NULL;
  if (json != NULL) {
    copy = vnes__resized(NULL, length + 1);
    memcpy(copy, json, length);
    copy[length] = 0;
  }
  free(kept->json);
  kept->json = copy;
  kept->json_length = json == NULL ? 0 : length;
}

/* --- The process: one instance --- */

typedef struct {
  const vnes_handlers *handlers;
  vnes__map known, overlay;
  char **complete;
  size_t complete_count;
  size_t bytes, cache_bytes, effect_bytes;
  double memory_mb;
  int64_t stops;
  vnes__arena arena;
  vnes__buffer out;
  struct timespec flushed;
} vnes__host;

struct vnes_turn {
  vnes__host *host;
  int64_t at;
  const char *seed;
  uint32_t a, b, c, counter;
  bool has_random;
  vnes__buffer effects, logs, scratch;
  size_t asked, lines, dropped;
  const char *needed_key, *needed_range;
  const char *code, *message;
  jmp_buf stop;
};

/* At most so many bytes of a text, and whole characters of it. */
static size_t vnes__cut(const char *text, size_t most) {
  size_t length = strlen(text);
  if (length <= most) return length;
  for (length = most; length > 0 && (text[length] & 0xc0) == 0x80; length--) continue;
  return length;
}

static const char *vnes__told(vnes_turn *turn, const char *message) {
  const size_t length = strlen(message);
  if (length <= VNES__MAX_TOLD) return message;
  const char *tail = message + length - VNES__MAX_TAIL;
  while ((*tail & 0xc0) == 0x80) tail++;
  return vnes_format(turn, "%.*s...%s", (int)vnes__cut(message, VNES__MAX_REASON), message, tail);
}

static _Noreturn void vnes__stop(vnes_turn *turn, const char *code, const char *message) {
  if (turn->code == NULL) {
    turn->code = code;
    turn->message = vnes__told(turn, message);
  }
  longjmp(turn->stop, VNES__STOPPED);
}

static _Noreturn void vnes__invalid(vnes_turn *turn, const char *what, const char *problem) {
  vnes__stop(turn, "TURN_EFFECT_INVALID", vnes_format(turn, "%s: %s", what, problem));
}

_Noreturn void vnes_fail(vnes_turn *turn, const char *message) {
  vnes__stop(turn, "TURN_HANDLER_THREW", vnes_format(turn, "%.*s", (int)vnes__cut(message, VNES__MAX_REASON), message));
}

void *vnes_alloc(vnes_turn *turn, size_t size) { return vnes__take(&turn->host->arena, size); }

const char *vnes_format(vnes_turn *turn, const char *format, ...) {
  va_list given, again;
  va_start(given, format);
  va_copy(again, given);
  const int length = vsnprintf(NULL, 0, format, given);
  va_end(given);
  char *text = vnes_alloc(turn, length < 0 ? 1 : (size_t)length + 1);
  if (length > 0) vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

static vnes_value *vnes__new(vnes_turn *turn, vnes_kind kind) {
  vnes_value *value = vnes_alloc(turn, sizeof *value);
  value->kind = kind;
  return value;
}

vnes_value *vnes_new_null(vnes_turn *turn) { return vnes__new(turn, VNES_NULL); }
vnes_value *vnes_new_array(vnes_turn *turn) { return vnes__new(turn, VNES_ARRAY); }
vnes_value *vnes_new_object(vnes_turn *turn) { return vnes__new(turn, VNES_OBJECT); }

vnes_value *vnes_new_boolean(vnes_turn *turn, bool boolean) {
  vnes_value *value = vnes__new(turn, VNES_BOOLEAN);
  value->boolean = boolean;
  return value;
}

vnes_value *vnes_new_number(vnes_turn *turn, double number) {
  vnes_value *value = vnes__new(turn, VNES_NUMBER);
  value->number = number;
  return value;
}

vnes_value *vnes_new_text(vnes_turn *turn, const char *text) {
  vnes_value *value = vnes__new(turn, VNES_TEXT);
  value->text = vnes_format(turn, "%s", text == NULL ? "" : text);
  value->length = strlen(value->text);
  return value;
}

void vnes_push(vnes_turn *turn, vnes_value *array, const vnes_value *item) {
  if (vnes_kind_of(array) != VNES_ARRAY) vnes_fail(turn, "vnes_push to a value that is no array");
  vnes__append(&turn->host->arena, array, (vnes__member){NULL, 0, item});
}

void vnes_put(vnes_turn *turn, vnes_value *object, const char *name, const vnes_value *value) {
  if (vnes_kind_of(object) != VNES_OBJECT) vnes_fail(turn, "vnes_put to a value that is no object");
  vnes__member *member = vnes__find(object, name, strlen(name));
  if (member != NULL) member->value = value;
  else vnes__append(&turn->host->arena, object, (vnes__member){vnes_format(turn, "%s", name), strlen(name), value});
}

int64_t vnes_at_ms(const vnes_turn *turn) { return turn->at; }

/* sfc32 by Chris Doty-Humphrey (PractRand), as sdk/src/seeded-random.ts has it. */
static uint32_t vnes__draw(vnes_turn *turn) {
  const uint32_t drawn = turn->a + turn->b + turn->counter++;
  turn->a = turn->b ^ turn->b >> 9;
  turn->b = turn->c + (turn->c << 3);
  turn->c = (turn->c << 21 | turn->c >> 11) + drawn;
  return drawn;
}

static uint32_t vnes__next(vnes_turn *turn) {
  if (!turn->has_random) {
    char half[9] = {0};
    turn->has_random = true;
    memcpy(half, turn->seed, 8);
    turn->a = (uint32_t)strtoul(half, NULL, 16);
    turn->b = (uint32_t)strtoul(turn->seed + 8, NULL, 16);
    turn->c = 0;
    turn->counter = 1;
    for (int round = 0; round < 12; round++) vnes__draw(turn);
  }
  return vnes__draw(turn);
}

double vnes_random(vnes_turn *turn) {
  const double high = vnes__next(turn) >> 5, low = vnes__next(turn) >> 6;
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

const char *vnes_id(vnes_turn *turn, const char *prefix) {
  char drawn[21] = {0};
  for (int index = 0; index < 20; index++) drawn[index] = "0123456789abcdefghjkmnpqrstvwxyz"[vnes__next(turn) >> 27];
  return vnes_format(turn, "%s_%s", prefix, drawn);
}

/* Appends the JSON of a value, or ends the turn. */
static void vnes__json(vnes_turn *turn, vnes__buffer *out, const vnes_value *value, const char *what) {
  const char *problem = vnes__write(out, value, 0);
  if (problem != NULL) vnes__invalid(turn, what, problem);
}

static void vnes__json_text(vnes_turn *turn, vnes__buffer *out, const char *text, const char *what) {
  if (text == NULL) vnes__invalid(turn, what, "no text where one belongs");
  const char *problem = vnes__write_text(out, text, strlen(text));
  if (problem != NULL) vnes__invalid(turn, what, problem);
}

/* --- Keys of a turn --- */

/* A name that is no text would make the whole result none. */
static void vnes__check_name(vnes_turn *turn, const char *name, const char *what) {
  const size_t length = strlen(name);
  for (size_t index = 0, size; index < length; index += size) {
    size = vnes__character((const unsigned char *)name + index, length - index);
    if (size == 0) vnes__invalid(turn, what, "a text is not UTF-8");
  }
}

static bool vnes__is_complete(const vnes__host *host, const char *prefix) {
  for (size_t index = 0; index < host->complete_count; index++)
    if (strncmp(prefix, host->complete[index], strlen(host->complete[index])) == 0) return true;
  return false;
}

static _Noreturn void vnes__need(vnes_turn *turn, const char **needed, const char *name) {
  *needed = vnes_format(turn, "%s", name);
  longjmp(turn->stop, VNES__STOPPED);
}

static const vnes_value *vnes__kept_value(vnes_turn *turn, const vnes__kept *kept) {
  return kept->json == NULL ? NULL : vnes__parse(&turn->host->arena, kept->json, kept->json_length);
}

const vnes_value *vnes_get(vnes_turn *turn, const char *key) {
  const vnes__host *host = turn->host;
  vnes__check_name(turn, key, "key");
  const vnes__kept *kept = vnes__known(&host->overlay, key);
  if (kept == NULL) kept = vnes__known(&host->known, key);
  if (kept != NULL) return vnes__kept_value(turn, kept);
  if (!vnes__is_complete(host, key)) vnes__need(turn, &turn->needed_key, key);
  return NULL;
}

int64_t vnes_version(vnes_turn *turn, const char *key) {
  vnes__check_name(turn, key, "key");
  const vnes__kept *kept = vnes__known(&turn->host->known, key);
  if (kept == NULL ? vnes__is_complete(turn->host, key) : kept->json == NULL) return VNES_NO_KEY;
  if (kept == NULL || !kept->knows_version) vnes__need(turn, &turn->needed_key, key);
  return kept->version;
}

/* A turn is one write of a key, so it has one expectation: what was expected first still holds. */
static vnes__kept *vnes__change(vnes_turn *turn, const char *key, const char *what, int64_t expect, int64_t ttl_ms) {
  vnes__check_name(turn, key, "key");
  if (expect < VNES_ANY || expect > (int64_t)VNES__MAX_SAFE)
    vnes__invalid(turn, what, "expect is a version, or null for no such key");
  if (ttl_ms < 0 || ttl_ms > (int64_t)VNES__MAX_SAFE)
    vnes__invalid(turn, what, "ttlMs is a whole number of milliseconds from 1");
  const vnes__kept *before = vnes__known(&turn->host->overlay, key);
  if (before != NULL && before->expect != VNES_ANY) {
    if (expect != VNES_ANY && expect != before->expect)
      vnes__invalid(turn, what, "the same turn expects two versions of it");
    expect = before->expect;
  }
  vnes__kept *kept = vnes__keep(&turn->host->overlay, key);
  kept->expect = expect;
  kept->ttl_ms = ttl_ms;
  return kept;
}

void vnes_set_with(vnes_turn *turn, const char *key, const vnes_value *value, int64_t expect, int64_t ttl_ms) {
  const char *what = vnes_format(turn, "write %s", key);
  turn->scratch.length = 0;
  vnes__json(turn, &turn->scratch, value, what);
  vnes__set_json(vnes__change(turn, key, what, expect, ttl_ms), turn->scratch.bytes, turn->scratch.length);
}

void vnes_delete_with(vnes_turn *turn, const char *key, int64_t expect) {
  vnes__set_json(vnes__change(turn, key, vnes_format(turn, "write %s", key), expect, 0), NULL, 0);
}

void vnes_set(vnes_turn *turn, const char *key, const vnes_value *value) { vnes_set_with(turn, key, value, VNES_ANY, 0); }
void vnes_delete(vnes_turn *turn, const char *key) { vnes_delete_with(turn, key, VNES_ANY); }

/* The next UTF-16 code unit, 0x10000 at the end; the second half of a pair waits in `low`. */
static unsigned vnes__unit(const unsigned char **at, unsigned *low) {
  const unsigned char *text = *at;
  if (*low != 0) {
    const unsigned unit = *low;
    *low = 0;
    return unit;
  }
  if (*text == 0) return 0x10000;
  if (*text < 0x80) return *(*at)++;
  if (*text < 0xe0) {
    *at += 2;
    return (text[0] & 0x1fu) << 6 | (text[1] & 0x3fu);
  }
  if (*text < 0xf0) {
    *at += 3;
    return (text[0] & 0xfu) << 12 | (text[1] & 0x3fu) << 6 | (text[2] & 0x3fu);
  }
  *at += 4;
  const unsigned code =
    ((text[0] & 7u) << 18 | (text[1] & 0x3fu) << 12 | (text[2] & 0x3fu) << 6 | (text[3] & 0x3fu)) - 0x10000;
  *low = 0xdc00 | (code & 0x3ff);
  return 0xd800 | code >> 10;
}

static int vnes__by_key(const void *a, const void *b) {
  const unsigned char *first = (const unsigned char *)((const vnes_entry *)a)->key;
  const unsigned char *second = (const unsigned char *)((const vnes_entry *)b)->key;
  unsigned first_low = 0, second_low = 0;
  while (true) {
    const unsigned one = vnes__unit(&first, &first_low), other = vnes__unit(&second, &second_low);
    /* The end comes before every unit. */
    if (one != other) return one == 0x10000 ? -1 : other == 0x10000 ? 1 : one < other ? -1 : 1;
    if (one == 0x10000) return 0;
  }
}

size_t vnes_entries(vnes_turn *turn, const char *prefix, const vnes_entry **entries) {
  vnes__host *host = turn->host;
  vnes__check_name(turn, prefix, "prefix");
  if (!vnes__is_complete(host, prefix)) vnes__need(turn, &turn->needed_range, prefix);
  vnes_entry *found = vnes_alloc(turn, (host->known.count + host->overlay.count + 1) * sizeof *found);
  size_t count = 0;
  const size_t length = strlen(prefix);
  for (size_t index = 0; index < host->known.count; index++) {
    const vnes__kept *kept = &host->known.kept[index];
    if (kept->json == NULL || strncmp(kept->key, prefix, length) != 0 || vnes__known(&host->overlay, kept->key) != NULL)
      continue;
    found[count++] = (vnes_entry){kept->key, vnes__kept_value(turn, kept)};
  }
  for (size_t index = 0; index < host->overlay.count; index++) {
    const vnes__kept *kept = &host->overlay.kept[index];
    if (kept->json == NULL || strncmp(kept->key, prefix, length) != 0) continue;
    found[count++] = (vnes_entry){kept->key, vnes__kept_value(turn, kept)};
  }
  qsort(found, count, sizeof *found, vnes__by_key);
  *entries = found;
  return count;
}

/* --- What a turn asks for --- */

static vnes__buffer *vnes__effect(vnes_turn *turn, const char *effect) {
  if (turn->asked >= VNES__MAX_ASKED)
    vnes__stop(turn, "TURN_EFFECTS_TOO_LARGE", vnes_format(turn, "more than %d effects", VNES__MAX_ASKED));
  if (turn->asked++ > 0) vnes__add(&turn->effects, ",", 1);
  vnes__say(&turn->effects, "{\"do\":\"");
  vnes__say(&turn->effects, effect);
  vnes__add(&turn->effects, "\"", 1);
  return &turn->effects;
}

static void vnes__text_field(vnes_turn *turn, const char *name, const char *text, const char *what) {
  vnes__say(&turn->effects, name);
  vnes__json_text(turn, &turn->effects, text, what);
}

static void vnes__value_field(vnes_turn *turn, const char *name, const vnes_value *value, const char *what) {
  vnes__say(&turn->effects, name);
  vnes__json(turn, &turn->effects, value, what);
}

static void vnes__whole_field(vnes_turn *turn, const char *name, int64_t number, const char *what) {
  if (number > (int64_t)VNES__MAX_SAFE || number < -(int64_t)VNES__MAX_SAFE)
    vnes__invalid(turn, what, "milliseconds are whole numbers");
  vnes__say(&turn->effects, name);
  vnes__say_integer(&turn->effects, number);
}

void vnes_publish(vnes_turn *turn, const char *topic, const char *key, const vnes_value *event) {
  const char *what = vnes_format(turn, "publish %s", topic);
  vnes__buffer *out = vnes__effect(turn, "publish");
  vnes__text_field(turn, ",\"topic\":", topic, what);
  vnes__text_field(turn, ",\"key\":", key, what);
  vnes__value_field(turn, ",\"event\":", event, what);
  vnes__add(out, "}", 1);
}

void vnes_ask(vnes_turn *turn, const vnes_call *call) {
  const char *what = vnes_format(turn, "call %s.%s", call->capability, call->method);
  vnes__buffer *out = vnes__effect(turn, "call");
  vnes__text_field(turn, ",\"tag\":", call->tag, what);
  vnes__text_field(turn, ",\"capability\":", call->capability, what);
  vnes__text_field(turn, ",\"method\":", call->method, what);
  vnes__value_field(turn, ",\"input\":", call->input, what);
  vnes__value_field(turn, ",\"context\":", call->context, what);
  vnes__whole_field(turn, ",\"timeoutMs\":", call->timeout_ms == 0 ? VNES__DEFAULT_TIMEOUT_MS : call->timeout_ms, what);
  vnes__add(out, "}", 1);
}

void vnes_read_keys(vnes_turn *turn, const vnes_read *read) {
  const char *what = vnes_format(turn, "read %s", read->capsule);
  if ((read->keys == NULL) == (read->prefix == NULL)) vnes__invalid(turn, what, "name either keys or a prefix");
  vnes__buffer *out = vnes__effect(turn, "read");
  vnes__text_field(turn, ",\"tag\":", read->tag, what);
  vnes__text_field(turn, ",\"capsule\":", read->capsule, what);
  if (read->has_shard) vnes__whole_field(turn, ",\"shard\":", read->shard, what);
  if (read->keys != NULL) {
    vnes__say(out, ",\"keys\":[");
    for (size_t index = 0; read->keys[index] != NULL; index++)
      vnes__text_field(turn, index == 0 ? "" : ",", read->keys[index], what);
    vnes__add(out, "]", 1);
  }
  if (read->prefix != NULL) vnes__text_field(turn, ",\"prefix\":", read->prefix, what);
  if (read->after != NULL) vnes__text_field(turn, ",\"after\":", read->after, what);
  if (read->limit != 0) vnes__whole_field(turn, ",\"limit\":", read->limit, what);
  vnes__value_field(turn, ",\"context\":", read->context, what);
  vnes__whole_field(turn, ",\"timeoutMs\":", read->timeout_ms == 0 ? VNES__DEFAULT_TIMEOUT_MS : read->timeout_ms, what);
  vnes__add(out, "}", 1);
}

void vnes_answer(vnes_turn *turn, const char *call_id, const vnes_value *answer) {
  const char *what = vnes_format(turn, "answer %s", call_id);
  const vnes_value *ok = vnes_member(answer, "ok");
  const bool is_answer = vnes_boolean(ok)
    ? vnes_member(answer, "value") != NULL
    : vnes_kind_of(ok) == VNES_BOOLEAN && vnes_kind_of(vnes_member(answer, "code")) == VNES_TEXT &&
      vnes_kind_of(vnes_member(answer, "message")) == VNES_TEXT;
  if (!is_answer) vnes__invalid(turn, what, "not { ok: true, value } or { ok: false, code, message }");
  vnes__buffer *out = vnes__effect(turn, "answer");
  vnes__text_field(turn, ",\"callId\":", call_id, what);
  vnes__value_field(turn, ",\"answer\":", answer, what);
  vnes__add(out, "}", 1);
}

void vnes_set_timer(vnes_turn *turn, const char *id, int64_t at, const vnes_value *payload) {
  const char *what = vnes_format(turn, "timer %s", id);
  vnes__buffer *out = vnes__effect(turn, "setTimer");
  vnes__text_field(turn, ",\"id\":", id, what);
  vnes__whole_field(turn, ",\"at\":", at, what);
  vnes__value_field(turn, ",\"payload\":", payload, what);
  vnes__add(out, "}", 1);
}

void vnes_cancel_timer(vnes_turn *turn, const char *id) {
  vnes__buffer *out = vnes__effect(turn, "cancelTimer");
  vnes__text_field(turn, ",\"id\":", id, "cancelTimer");
  vnes__add(out, "}", 1);
}

static bool vnes__is_level(const char *level) {
  return strcmp(level, "debug") == 0 || strcmp(level, "info") == 0 || strcmp(level, "warn") == 0 ||
    strcmp(level, "error") == 0;
}

void vnes_log(vnes_turn *turn, const char *level, const char *message, const vnes_value *data) {
  if (turn->lines >= VNES__MAX_LOGS) {
    turn->dropped++;
    return;
  }
  const size_t length = vnes__cut(message, VNES__MAX_LOG_MESSAGE);
  vnes__buffer *out = &turn->logs;
  if (turn->lines++ > 0) vnes__add(out, ",", 1);
  vnes__say(out, "{\"level\":\"");
  vnes__say(out, vnes__is_level(level) ? level : "info");
  vnes__say(out, "\",\"message\":");
  const size_t before = out->length;
  if (vnes__write_text(out, message, length) != NULL) {
    out->length = before;
    vnes__say(out, "\"(not UTF-8, left out)\"");
  }
  if (data != NULL) {
    vnes__say(out, ",\"data\":");
    const size_t start = out->length;
    const bool is_json = vnes__write(out, data, 0) == NULL;
    const size_t size = out->length - start;
    if (!is_json || size > VNES__MAX_LOG_DATA) {
      out->length = start;
      vnes__say(out, is_json ? vnes_format(turn, "\"(%zu bytes, left out)\"", size) : "\"(not JSON, left out)\"");
    }
  }
  vnes__add(out, "}", 1);
}

vnes_value *vnes_refuse(vnes_turn *turn, const char *code, const char *message, const vnes_value *details) {
  vnes_value *refused = vnes_new_object(turn), *outer = vnes_new_object(turn);
  vnes_put(turn, refused, "code", vnes_new_text(turn, code));
  vnes_put(turn, refused, "message", vnes_new_text(turn, message));
  if (details != NULL) vnes_put(turn, refused, "details", details);
  vnes_put(turn, outer, "refused", refused);
  return outer;
}

/* --- The engine: finds the handler, runs it to completion, says what came of it --- */

static _Noreturn void vnes__missing(vnes_turn *turn, const char *table, const char *name) {
  turn->scratch.length = 0;
  vnes__json_text(turn, &turn->scratch, name, table);
  vnes__stop(turn, "TURN_HANDLER_MISSING", vnes_format(turn, "the capsule has no %s[%s]", table, turn->scratch.bytes));
}

static void vnes__run_call(vnes_turn *turn, const vnes_value *delivery) {
  const char *name =
    vnes_format(turn, "%s.%s", vnes_text(vnes_member(delivery, "capability")), vnes_text(vnes_member(delivery, "method")));
  const vnes_call_info info = {
    vnes_text(vnes_member(delivery, "callId")),
    vnes_text(vnes_member(delivery, "caller")),
    vnes__integer(vnes_member(delivery, "deadlineAt")),
  };
  const vnes_call_handler *handler = turn->host->handlers->calls;
  while (handler != NULL && handler->method != NULL && strcmp(handler->method, name) != 0) handler++;
  vnes_value *answer = vnes_new_object(turn);
  if (handler == NULL || handler->method == NULL) {
    vnes_put(turn, answer, "ok", vnes_new_boolean(turn, false));
    vnes_put(turn, answer, "code", vnes_new_text(turn, "CALL_METHOD_UNKNOWN"));
    vnes_put(turn, answer, "message", vnes_new_text(turn, vnes_format(turn, "%s has no handler here", name)));
  } else {
    const vnes_value *returned = handler->run(turn, vnes_member(delivery, "input"), &info);
    if (returned == vnes_later) return;
    const vnes_value *refused = vnes_count(returned) == 1 ? vnes_member(returned, "refused") : NULL;
    const vnes_value *code = vnes_member(refused, "code"), *message = vnes_member(refused, "message");
    const bool is_refusal = vnes_kind_of(code) == VNES_TEXT && vnes_kind_of(message) == VNES_TEXT;
    vnes_put(turn, answer, "ok", vnes_new_boolean(turn, !is_refusal));
    if (!is_refusal) vnes_put(turn, answer, "value", returned);
    for (size_t index = 0; is_refusal && index < refused->count; index++)
      vnes_put(turn, answer, refused->members[index].name, refused->members[index].value);
  }
  const char *what = vnes_format(turn, "answer of %s", name);
  vnes__buffer *out = vnes__effect(turn, "answer");
  vnes__text_field(turn, ",\"callId\":", info.call_id, what);
  vnes__say(out, ",\"answer\":{");
  /* The value itself may be as deep as any; what stands around it is the engine's. */
  for (size_t index = 0; index < answer->count; index++) {
    if (index > 0) vnes__add(out, ",", 1);
    vnes__json_text(turn, out, answer->members[index].name, what);
    vnes__add(out, ":", 1);
    vnes__json(turn, out, answer->members[index].value, what);
  }
  vnes__say(out, "}}");
}

static void vnes__run(vnes_turn *turn, const vnes_value *delivery) {
  const vnes_handlers *handlers = turn->host->handlers;
  const char *kind = vnes_text(vnes_member(delivery, "kind"));
  if (strcmp(kind, "call") == 0) {
    vnes__run_call(turn, delivery);
  } else if (strcmp(kind, "event") == 0 || strcmp(kind, "batch") == 0) {
    const vnes_event_info info = {
      vnes_text(vnes_member(delivery, "topic")),
      vnes_text(vnes_member(delivery, "key")),
      vnes__integer(vnes_member(delivery, "partition")),
      vnes__integer(vnes_member(delivery, "seq")),
    };
    if (kind[0] == 'e') {
      const vnes_event_handler *handler = handlers->events;
      while (handler != NULL && handler->topic != NULL && strcmp(handler->topic, info.topic) != 0) handler++;
      if (handler == NULL || handler->topic == NULL) vnes__missing(turn, "events", info.topic);
      handler->run(turn, vnes_member(delivery, "event"), &info);
    } else {
      const vnes_batch_handler *handler = handlers->batches;
      while (handler != NULL && handler->topic != NULL && strcmp(handler->topic, info.topic) != 0) handler++;
      if (handler == NULL || handler->topic == NULL) vnes__missing(turn, "batches", info.topic);
      handler->run(turn, vnes_member(delivery, "events"), &info);
    }
  } else if (strcmp(kind, "answer") == 0) {
    const char *tag = vnes_text(vnes_member(delivery, "tag"));
    const vnes_answer_handler *handler = handlers->answers;
    while (handler != NULL && handler->tag != NULL && strcmp(handler->tag, tag) != 0) handler++;
    if (handler == NULL || handler->tag == NULL) vnes__missing(turn, "answers", tag);
    const char *call_id = vnes_text(vnes_member(delivery, "callId"));
    handler->run(turn, vnes_member(delivery, "answer"), vnes_member(delivery, "context"), call_id);
  } else if (strcmp(kind, "timer") == 0) {
    const char *id = vnes_text(vnes_member(delivery, "id"));
    const char *name = vnes_format(turn, "%.*s", (int)strcspn(id, ":"), id);
    const vnes_timer_handler *handler = handlers->timers;
    while (handler != NULL && handler->name != NULL && strcmp(handler->name, name) != 0) handler++;
    if (handler == NULL || handler->name == NULL) vnes__missing(turn, "timers", name);
    handler->run(turn, vnes_member(delivery, "payload"), id, vnes__integer(vnes_member(delivery, "dueAt")));
  } else if (strcmp(kind, "start") == 0) {
    if (handlers->start != NULL)
      handlers->start(turn, vnes_member(delivery, "config"), vnes_boolean(vnes_member(delivery, "resumed")));
  } else {
    /* An expiry: the capsule has no handler for it. */
    vnes_delete(turn, vnes_text(vnes_member(delivery, "key")));
  }
}

static void vnes__forget(vnes__host *host) {
  vnes__clear(&host->known);
  vnes__clear(&host->overlay);
  for (size_t index = 0; index < host->complete_count; index++) free(host->complete[index]);
  host->complete_count = 0;
  host->bytes = 0;
}

static size_t vnes__cost(const vnes__kept *kept) {
  return kept->json_length + strlen(kept->key) + VNES__ENTRY_BYTES;
}

/* Every entry counts once, one of a key that is absent too. */
static void vnes__count(vnes__host *host, vnes__kept *kept) {
  host->bytes -= kept->counted;
  kept->counted = vnes__cost(kept);
  host->bytes += kept->counted;
}

static void vnes__learn(vnes__host *host, const vnes_value *request) {
  const vnes_value *keys = vnes_member(request, "keys"), *ranges = vnes_member(request, "ranges");
  for (size_t index = 0; index < vnes_count(keys); index++) {
    const vnes_value *given = vnes_at(keys, index), *value = vnes_at(given, 1), *version = vnes_at(given, 2);
    vnes__kept *kept = vnes__keep(&host->known, vnes_text(vnes_at(given, 0)));
    vnes__set_json(kept, value == NULL ? NULL : value->raw, value == NULL ? 0 : value->raw_length);
    kept->knows_version = version != NULL;
    kept->version = vnes__integer(version);
    vnes__count(host, kept);
  }
  for (size_t index = 0; index < vnes_count(ranges); index++) {
    const char *prefix = vnes_text(vnes_at(ranges, index));
    if (vnes__is_complete(host, prefix)) continue;
    host->complete = vnes__resized(host->complete, (host->complete_count + 1) * sizeof *host->complete);
    char *copy = vnes__resized(NULL, strlen(prefix) + 1);
    strcpy(copy, prefix);
    host->complete[host->complete_count++] = copy;
  }
}

static void vnes__commit(vnes__host *host) {
  for (size_t index = 0; index < host->overlay.count; index++) {
    vnes__kept *changed = &host->overlay.kept[index];
    vnes__kept *kept = vnes__keep(&host->known, changed->key);
    vnes__set_json(kept, changed->json, changed->json_length);
    kept->knows_version = false;
    vnes__count(host, kept);
  }
}

static void vnes__write_changes(vnes__buffer *out, const vnes__map *overlay) {
  for (size_t index = 0; index < overlay->count; index++) {
    const vnes__kept *kept = &overlay->kept[index];
    vnes__say(out, index == 0 ? "{\"do\":\"" : ",{\"do\":\"");
    vnes__say(out, kept->json == NULL ? "delete\",\"key\":" : "write\",\"key\":");
    vnes__write_text(out, kept->key, strlen(kept->key));
    if (kept->json != NULL) {
      vnes__say(out, ",\"value\":");
      vnes__add(out, kept->json, kept->json_length);
    }
    if (kept->expect == VNES_NO_KEY) vnes__say(out, ",\"expect\":null");
    if (kept->expect > VNES_NO_KEY) {
      vnes__say(out, ",\"expect\":");
      vnes__say_integer(out, kept->expect);
    }
    if (kept->ttl_ms > 0) {
      vnes__say(out, ",\"ttlMs\":");
      vnes__say_integer(out, kept->ttl_ms);
    }
    vnes__add(out, "}", 1);
  }
}

static void vnes__write_failed(vnes__buffer *out, const char *code, const char *message) {
  vnes__say(out, ",\"kind\":\"failed\",\"code\":\"");
  vnes__say(out, code);
  vnes__say(out, "\",\"message\":");
  const size_t before = out->length;
  if (vnes__write_text(out, message, strlen(message)) != NULL) {
    out->length = before;
    vnes__say(out, "\"(not UTF-8, left out)\"");
  }
}

/* Bytes of the effects. */
static size_t vnes__write_done(vnes_turn *turn, vnes__buffer *out) {
  vnes__host *host = turn->host;
  vnes__say(out, ",\"kind\":\"done\",\"effects\":[");
  const size_t before = out->length;
  vnes__write_changes(out, &host->overlay);
  if (turn->effects.length > 0) {
    if (out->length > before) vnes__add(out, ",", 1);
    vnes__add(out, turn->effects.bytes, turn->effects.length);
  }
  vnes__add(out, "]", 1);
  const size_t size = out->length - before + 1;
  if (turn->lines == 0) return size;
  vnes__say(out, ",\"logs\":[");
  vnes__add(out, turn->logs.bytes, turn->logs.length);
  if (turn->dropped > 0)
    vnes__say(out, vnes_format(turn, ",{\"level\":\"warn\",\"message\":\"%zu more lines of this turn were dropped\"}", turn->dropped));
  vnes__add(out, "]", 1);
  return size;
}

static void vnes__write_result(vnes_turn *turn, vnes__buffer *out) {
  vnes__host *host = turn->host;
  /* Before anything else: what a handler did without a key it asked for means nothing. */
  if (turn->needed_key != NULL || turn->needed_range != NULL) {
    const char *key = turn->needed_key, *range = turn->needed_range;
    vnes__say(out, ",\"kind\":\"needKeys\",\"keys\":[");
    if (key != NULL) vnes__write_text(out, key, strlen(key));
    vnes__say(out, "],\"ranges\":[");
    if (range != NULL) vnes__write_text(out, range, strlen(range));
    vnes__add(out, "]", 1);
    return;
  }
  if (turn->code != NULL) {
    vnes__write_failed(out, turn->code, turn->message);
    return;
  }
  const size_t start = out->length;
  const size_t size = vnes__write_done(turn, out);
  if (size <= host->effect_bytes) {
    vnes__commit(host);
    return;
  }
  out->length = start;
  vnes__write_failed(
    out, "TURN_EFFECTS_TOO_LARGE",
    vnes_format(turn, "the effects of the turn take %zu bytes; at most %zu are allowed", size, host->effect_bytes));
}

/* Memory has run out, and saying so takes some. */
static void vnes__raise_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_DATA, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_DATA, &limit);
}

/* Appends the result of the turn; false when nothing behind it may run. */
static bool vnes__deliver(vnes__host *host, const char **text, const char *end, int64_t number, vnes__buffer *out) {
  static vnes_turn turn;
  static jmp_buf escape;
  turn = (vnes_turn){.host = host};
  vnes__say(out, "{\"turn\":");
  vnes__say_integer(out, number);
  const size_t start = out->length;
  bool goes_on = true;
  if (setjmp(escape) == 0) {
    vnes__escape = &escape;
    vnes__reader reader = {*text, end, &host->arena, 0};
    const vnes_value *request = vnes__read(&reader);
    *text = reader.at;
    turn.at = vnes__integer(vnes_member(request, "at"));
    turn.seed = vnes_text(vnes_member(request, "seed"));
    if (strlen(turn.seed) < 16) vnes__broken("a turn without a seed");
    vnes__learn(host, request);
    const vnes_value *delivery = vnes_member(request, "delivery");
    if (setjmp(turn.stop) == 0) vnes__run(&turn, delivery);
    vnes__write_result(&turn, out);
    goes_on = turn.needed_key == NULL && turn.needed_range == NULL;
  } else {
    vnes__raise_limit();
    vnes__escape = NULL;
    char message[96];
    snprintf(message, sizeof message, "the turn was stopped at its memory limit of %.0f MB", host->memory_mb);
    out->length = start;
    vnes__write_failed(out, "TURN_MEMORY", message);
    goes_on = false;
  }
  vnes__escape = NULL;
  vnes__say(out, "}");
  vnes__clear(&host->overlay);
  if (host->bytes > host->cache_bytes) vnes__forget(host);
  free(turn.effects.bytes);
  free(turn.logs.bytes);
  free(turn.scratch.bytes);
  vnes__give_back(&host->arena);
  return goes_on;
}

/* --- The host protocol (docs/host-protocol.md) --- */

static void vnes__flush(vnes__host *host) {
  size_t sent = 0;
  timespec_get(&host->flushed, TIME_UTC);
  while (sent < host->out.length) {
    const ssize_t written = write(VNES__KERNEL_FD, host->out.bytes + sent, host->out.length - sent);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) _exit(0);
    sent += (size_t)written;
  }
  host->out.length = 0;
}

static bool vnes__is_time(const vnes__host *host) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  const int64_t passed = (int64_t)(now.tv_sec - host->flushed.tv_sec) * 1000000000 + (now.tv_nsec - host->flushed.tv_nsec);
  return passed < 0 || passed >= VNES__FLUSH_NS;
}

/* A frame is begun, filled, and ended when its length is known. */
static size_t vnes__begin(vnes__host *host) {
  vnes__add(&host->out, "\0\0\0\0", 4);
  return host->out.length;
}

static void vnes__end(vnes__host *host, size_t start) {
  const size_t size = host->out.length - start;
  if (size > VNES__MAX_FRAME) vnes__broken("an answer that no frame holds");
  unsigned char *length = (unsigned char *)host->out.bytes + start - 4;
  for (int byte = 0; byte < 4; byte++) length[byte] = (unsigned char)(size >> (24 - 8 * byte));
}

static size_t vnes__begin_answer(vnes__host *host, int64_t batch, bool is_more, int64_t stops) {
  const size_t start = vnes__begin(host);
  vnes__say(&host->out, "{\"did\":\"deliver\",\"id\":0,\"batch\":");
  vnes__say_integer(&host->out, batch);
  vnes__say(&host->out, ",\"stops\":");
  vnes__say_integer(&host->out, stops);
  vnes__say(&host->out, is_more ? ",\"more\":true}\n[" : "}\n[");
  return start;
}

static void vnes__answer_batch(vnes__host *host, int64_t batch, bool is_more, vnes__buffer *results) {
  const size_t start = vnes__begin_answer(host, batch, is_more, host->stops);
  vnes__add(&host->out, results->bytes == NULL ? "" : results->bytes, results->length);
  vnes__add(&host->out, "]", 1);
  vnes__end(host, start);
  results->length = 0;
}

static void vnes__obey_deliver(vnes__host *host, const vnes_value *message, const char *text, const char *end) {
  static vnes__buffer results;
  const vnes_value *turns = vnes_member(message, "turns");
  const int64_t batch = vnes__integer(vnes_member(message, "batch"));
  const size_t count = vnes_count(turns);
  /* The message's own memory goes with the first turn. */
  int64_t *numbers = vnes__resized(NULL, count * sizeof *numbers);
  for (size_t index = 0; index < count; index++) numbers[index] = vnes__integer(vnes_at(turns, index));
  bool goes_on = vnes__integer(vnes_member(message, "stops")) == host->stops;
  if (goes_on && *text++ != '[') vnes__broken("a delivery without a list of requests");
  for (size_t index = 0; index < count; index++) {
    if (results.length > 0) vnes__add(&results, ",", 1);
    if (goes_on) {
      goes_on = vnes__deliver(host, &text, end, numbers[index], &results);
      if (!goes_on) host->stops++;
      if (goes_on && index + 1 < count && *text++ != ',') vnes__broken("fewer requests than turns");
      if (goes_on && index + 1 < count && (vnes__is_time(host) || results.length > VNES__FLUSH_BYTES)) {
        vnes__answer_batch(host, batch, true, &results);
        vnes__flush(host);
      }
    } else {
      vnes__say(&results, "{\"turn\":");
      vnes__say_integer(&results, numbers[index]);
      vnes__say(&results, ",\"kind\":\"needKeys\",\"keys\":[],\"ranges\":[]}");
    }
  }
  free(numbers);
  vnes__answer_batch(host, batch, false, &results);
  if (vnes__is_time(host)) vnes__flush(host);
}

static void vnes__obey_open(vnes__host *host, const vnes_value *message) {
  const vnes_value *limits = vnes_member(message, "limits");
  host->memory_mb = vnes_number(vnes_member(limits, "memoryMb"));
  host->cache_bytes = vnes__bytes(vnes_member(limits, "cacheBytes"));
  host->effect_bytes = vnes__bytes(vnes_member(limits, "effectBytes"));
#if !defined(__SANITIZE_ADDRESS__)
  /* Of malloc and what is mapped besides files. Its shadow memory alone is more for an address sanitizer. */
  const rlim_t bytes = (rlim_t)vnes__bytes(vnes_member(limits, "memoryMb")) * 1048576 + VNES__PROCESS_BYTES;
  setrlimit(RLIMIT_DATA, &(struct rlimit){bytes, bytes + VNES__ANSWER_BYTES});
#endif
  const size_t start = vnes__begin(host);
  vnes__say(&host->out, "{\"did\":\"open\",\"id\":0}");
  vnes__end(host, start);
}

static void vnes__obey_reset(vnes__host *host, const vnes_value *message) {
  vnes__forget(host);
  const size_t start = vnes__begin(host);
  vnes__say(&host->out, "{\"did\":\"ask\",\"ask\":");
  vnes__say_integer(&host->out, vnes__integer(vnes_member(message, "ask")));
  vnes__add(&host->out, "}", 1);
  vnes__end(host, start);
}

static void vnes__obey(vnes__host *host, char *body, size_t size) {
  static bool is_greeted;
  char *text = memchr(body, '\n', size);
  if (text != NULL) *text++ = 0;
  const vnes_value *message = vnes__parse(&host->arena, body, text == NULL ? size : (size_t)(text - 1 - body));
  const char *what = vnes_text(vnes_member(message, "do"));
  if (!is_greeted) {
    const size_t start = vnes__begin(host);
    vnes__say(&host->out, "{\"hello\":{\"protocol\":1,\"pid\":");
    vnes__say_integer(&host->out, (int64_t)getpid());
    vnes__say(&host->out, "}}");
    vnes__end(host, start);
    vnes__flush(host);
    is_greeted = true;
    if (vnes_number(vnes_member(vnes_member(message, "hello"), "protocol")) != VNES__PROTOCOL)
      vnes__broken("the kernel speaks another protocol");
  } else if (strcmp(what, "deliver") == 0) {
    if (text == NULL) vnes__broken("a delivery without requests");
    vnes__obey_deliver(host, message, text, body + size);
  } else if (strcmp(what, "open") == 0) {
    vnes__obey_open(host, message);
  } else if (strcmp(what, "reset") == 0) {
    vnes__obey_reset(host, message);
  } else {
    vnes__broken("the kernel says something unknown");
  }
  vnes__give_back(&host->arena);
}

int vnes_serve(const vnes_handlers *handlers) {
  static vnes__host host;
  static vnes__buffer in;
  host = (vnes__host){.handlers = handlers};
  timespec_get(&host.flushed, TIME_UTC);
  while (true) {
    char chunk[VNES__BLOCK_BYTES];
    const ssize_t got = read(VNES__KERNEL_FD, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return 0;
    vnes__add(&in, chunk, (size_t)got);
    size_t start = 0;
    while (in.length - start >= 4) {
      const unsigned char *length = (const unsigned char *)in.bytes + start;
      const size_t size = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
      if (size > VNES__MAX_FRAME) vnes__broken("a frame that is too long");
      if (in.length - start - 4 < size) break;
      char *body = in.bytes + start + 4;
      /* Reading wants a NUL behind the frame, where the next one may stand. */
      const char next = body[size];
      body[size] = 0;
      vnes__obey(&host, body, size);
      body[size] = next;
      start += 4 + size;
    }
    memmove(in.bytes, in.bytes + start, in.length - start + 1);
    in.length -= start;
    vnes__flush(&host);
  }
}

#endif

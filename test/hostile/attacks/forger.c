/*
 * Native capsules that speak the host protocol by themselves and wrongly; FORGERY is the one this program is compiled with. It is called
 * with the message and the turn it was delivered for call `t.go`; every other turn is answered rightly.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_FD 3
#define MEGABYTE (1 << 20)
/** Below what any zone lets a message be. */
#define LARGE (15 * MEGABYTE)

static void put(const void *bytes, size_t size) {
  for (size_t sent = 0; sent < size;) {
    const ssize_t written = write(KERNEL_FD, (const char *)bytes + sent, size - sent);
    if (written <= 0) _exit(0);
    sent += (size_t)written;
  }
}
static void put_size(size_t size) {
  const unsigned char head[4] = {size >> 24 & 255, size >> 16 & 255, size >> 8 & 255, size & 255};
  put(head, 4);
}
static void frame(const char *format, ...) {
  char text[4096];
  va_list given;
  va_start(given, format);
  const int size = vsnprintf(text, sizeof text, format, given);
  va_end(given);
  put_size((size_t)size);
  put(text, (size_t)size);
}
/** A frame that begins with `head`, ends with `tail` and is `part` again and again in between. */
static void large_frame(const char *head, const char *part, const char *tail) {
  const size_t length = strlen(part), parts = (LARGE - strlen(head) - strlen(tail)) / length;
  char *all = malloc(parts * length);
  for (size_t n = 0; n < parts; n++) memcpy(all + n * length, part, length);
  put_size(strlen(head) + parts * length + strlen(tail));
  put(head, strlen(head));
  put(all, parts * length);
  put(tail, strlen(tail));
  free(all);
}
static const char *said(const char *format, ...) {
  static char text[4096];
  va_list given;
  va_start(given, format);
  vsnprintf(text, sizeof text, format, given);
  va_end(given);
  return text;
}
#define ANSWER "{\"did\":\"deliver\",\"id\":0,\"batch\":%d,\"stops\":0}\n"
static void done(int batch, int turn, const char *effects) {
  frame(ANSWER "[{\"turn\":%d,\"kind\":\"done\",\"effects\":[%s]}]", batch, turn, effects);
}
static void threaded(void *(*work)(void *)) {
  pthread_t thread;
  pthread_create(&thread, NULL, work, NULL);
}

/* --- whose answer it is --- */

static void answers_for_another_turn(int batch, int turn) { done(batch, turn + 1, ""); }
static void answers_twice(int batch, int turn) { done(batch, turn, ""), done(batch, turn, ""); }
static void answers_another_message(int batch, int turn) { done(batch + 1, turn, ""); }
static void answers_two_turns(int batch, int turn) {
  frame(ANSWER "[{\"turn\":%d,\"kind\":\"done\",\"effects\":[]},{\"turn\":%d,\"kind\":\"done\",\"effects\":[]}]", batch, turn, turn + 1);
}
static void tells_meters_instead(int batch, int turn) { (void)turn; frame("{\"did\":\"ask\",\"ask\":%d,\"meters\":{}}", batch); }
static void opens_again(int batch, int turn) { (void)batch, (void)turn; frame("{\"did\":\"open\",\"id\":0}"); }
static void greets_again(int batch, int turn) { (void)batch, (void)turn; frame("{\"hello\":{\"protocol\":1,\"pid\":1}}"); }
static void answers_too_late(int batch, int turn) { sleep(2); done(batch, turn, ""); }
static void has_two_of_a_member(int batch, int turn) {
  frame(ANSWER "[{\"turn\":%d,\"turn\":%d,\"kind\":\"done\",\"effects\":[]}]", batch, turn, turn + 1);
}

/* --- what is in it --- */

static void writes_infinity(int batch, int turn) { done(batch, turn, "{\"do\":\"write\",\"key\":\"k\",\"value\":1e400}"); }
static void writes_minus_zero(int batch, int turn) { done(batch, turn, "{\"do\":\"write\",\"key\":\"k\",\"value\":[-0.0]}"); }
static void writes_a_prototype(int batch, int turn) {
  done(batch, turn, "{\"do\":\"write\",\"key\":\"k\",\"value\":{\"\\u005f_proto__\":{\"admin\":true}}}");
}
static void is_its_own_prototype(int batch, int turn) {
  frame(ANSWER "[{\"turn\":%d,\"kind\":\"done\",\"__proto__\":{\"effects\":[]}}]", batch, turn);
}
static void logs_too_much(int batch, int turn) {
  large_frame(said(ANSWER "[{\"turn\":%d,\"kind\":\"done\",\"effects\":[],\"logs\":[{\"level\":\"error\",\"message\":\"m\",\"data\":\"", batch, turn), "x", "\"}]}]");
}

/* --- how it is cut --- */

static void leaves_half_a_frame(int batch, int turn) { (void)batch, (void)turn; put_size(1000); put("{", 1); for (;;) pause(); }
static void promises_four_gigabytes(int batch, int turn) { (void)batch, (void)turn; put("\xff\xff\xff\xff", 4); for (;;) pause(); }
static void *crumbs(void *unused) { for (;;) put(" ", 1); return unused; }
static void sends_crumbs(int batch, int turn) { (void)batch, (void)turn; put_size(LARGE); crumbs(NULL); }
static void goes_on_in_crumbs(int batch, int turn) { done(batch, turn, ""); put_size(LARGE); threaded(crumbs); sleep(1); }
static void has_more_without_end(int batch, int turn) {
  (void)turn;
  for (;;) frame("{\"did\":\"deliver\",\"id\":0,\"batch\":%d,\"stops\":0,\"more\":true}\n[]", batch);
}

/* --- what it costs to read --- */

static void sends_a_line_of_lists(int batch, int turn) {
  (void)turn;
  large_frame(said("{\"did\":\"deliver\",\"id\":0,\"batch\":%d,\"stops\":0,\"x\":[", batch), "[],", "0]}\n[]");
}
/** In one line, which is as long as one may be. */
static void tells_long_numbers(int batch, int turn) {
  static char digits[300], line[8100];
  memset(digits, '1', 299);
  size_t length = (size_t)snprintf(line, sizeof line, "{\"did\":\"deliver\",\"id\":0,\"batch\":%d,\"stops\":0,\"x\":[0", batch);
  while (length < sizeof line - 400) length += (size_t)snprintf(line + length, sizeof line - length, ",%s", digits);
  const char *text = said("]}\n[{\"turn\":%d,\"kind\":\"done\",\"effects\":[]}]", turn);
  put_size(length + strlen(text)), put(line, length), put(text, strlen(text));
}
static void nests_minus_zero(int batch, int turn) {
  static char line[8100];
  (void)turn;
  int length = snprintf(line, sizeof line, "{\"did\":\"deliver\",\"id\":0,\"batch\":%d,\"stops\":0,\"x\":", batch);
  memset(line + length, '[', 4000), length += 4000;
  line[length++] = '-', line[length++] = '0';
  memset(line + length, ']', 4000), length += 4000;
  line[length++] = '}';
  put_size((size_t)length), put(line, (size_t)length);
}
static void nests_its_line(int batch, int turn) { (void)batch, (void)turn; large_frame("", "[", ""); }
static void sends_results_of_lists(int batch, int turn) { (void)turn; large_frame(said(ANSWER "[", batch), "[],", "0]"); }
static void sends_lists_without_results(int batch, int turn) { (void)turn; large_frame(said(ANSWER, batch), "[]\n", "[]"); }
static void sends_line_feeds(int batch, int turn) { (void)turn; large_frame(said(ANSWER, batch), "\n", ""); }

/* --- what it prints --- */

static void *printing(void *unused) { for (;;) if (write(1, "x", 1) + write(2, "y", 1) < 2) return unused; }
static void prints_crumbs_without_end(int batch, int turn) {
  static int prints;
  if (!prints) prints = 1, threaded(printing);
  done(batch, turn, "");
}
static char page[1 << 16];
static void *flooding(void *unused) { for (;;) if (write(1, page, sizeof page) < 1) return unused; }
static void prints_without_end(int batch, int turn) {
  static int prints;
  if (!prints) prints = 1, threaded(flooding);
  done(batch, turn, "");
}

static char *text_behind(const char *all, const char *name) {
  char *found = strstr(all, name);
  return found == NULL ? NULL : found + strlen(name);
}

static void obey(char *body) {
  const char *batch = text_behind(body, "\"batch\":"), *turns = text_behind(body, "\"turns\":["), *ask = text_behind(body, "\"ask\":");
  if (strstr(body, "{\"hello\"") == body) frame("{\"hello\":{\"protocol\":1,\"pid\":%d}}", (int)getpid());
  else if (strstr(body, "\"do\":\"open\"") != NULL) frame("{\"did\":\"open\",\"id\":0}");
  else if (batch == NULL || turns == NULL) frame("{\"did\":\"ask\",\"ask\":%d,\"meters\":{\"cpuMs\":0,\"heapBytes\":0,\"hostBytes\":0}}", ask == NULL ? 0 : atoi(ask));
  else if (strstr(body, "\"method\":\"go\"") != NULL) FORGERY(atoi(batch), atoi(turns));
  else done(atoi(batch), atoi(turns), "");
}

int main(void) {
  static char in[MEGABYTE];
  size_t length = 0;
  for (;;) {
    const ssize_t got = read(KERNEL_FD, in + length, sizeof in - 1 - length);
    if (got <= 0) return 0;
    length += (size_t)got;
    while (length >= 4) {
      const unsigned char *head = (unsigned char *)in;
      const size_t size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
      if (length - 4 < size) break;
      const char next = in[4 + size];
      in[4 + size] = 0;
      obey(in + 4);
      in[4 + size] = next;
      memmove(in, in + 4 + size, length - 4 - size);
      length -= 4 + size;
    }
  }
}

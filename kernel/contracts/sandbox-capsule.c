/* The capsule of sandbox-capsule.ts, in C. What has no like in C (a promise, a handler that catches a missing key) does what comes nearest. */
#define VNES_IMPLEMENTATION
#include "vnes.h"

static const char *n_key(vnes_turn *turn, const vnes_value *key) { return vnes_format(turn, "n/%s", vnes_text(key)); }

static double number_at(vnes_turn *turn, const char *key) { return vnes_number(vnes_get(turn, key)); }

static void start(vnes_turn *turn, const vnes_value *config, bool resumed) {
  vnes_value *started = vnes_new_object(turn);
  vnes_put(turn, started, "config", config);
  vnes_put(turn, started, "resumed", vnes_new_boolean(turn, resumed));
  vnes_put(turn, started, "at", vnes_new_number(turn, (double)vnes_at_ms(turn)));
  vnes_set(turn, "started", started);
}

static void event(vnes_turn *turn, const vnes_value *amount, const vnes_event_info *info) {
  const double total = number_at(turn, "total") + vnes_number(amount);
  vnes_set(turn, "total", vnes_new_number(turn, total));
  vnes_value *kept = vnes_new_object(turn), *told = vnes_new_object(turn);
  vnes_put(turn, kept, "seq", vnes_new_number(turn, (double)info->seq));
  vnes_put(turn, kept, "event", amount);
  vnes_set(turn, vnes_format(turn, "event/%s", info->key), kept);
  vnes_put(turn, told, "total", vnes_new_number(turn, total));
  vnes_put(turn, told, "id", vnes_new_text(turn, vnes_id(turn, "evt")));
  vnes_put(turn, told, "draw", vnes_new_number(turn, vnes_random(turn)));
  vnes_publish(turn, "contract.total.v1", info->key, told);
}

static void batch(vnes_turn *turn, const vnes_value *events, const vnes_event_info *info) {
  vnes_value *seqs = vnes_new_array(turn), *kept = vnes_new_object(turn);
  double sum = 0;
  for (size_t index = 0; index < vnes_count(events); index++) {
    sum += vnes_number(vnes_member(vnes_at(events, index), "event"));
    vnes_push(turn, seqs, vnes_member(vnes_at(events, index), "seq"));
  }
  vnes_put(turn, kept, "topic", vnes_new_text(turn, info->topic));
  vnes_put(turn, kept, "partition", vnes_new_number(turn, (double)info->partition));
  vnes_put(turn, kept, "seqs", seqs);
  vnes_put(turn, kept, "sum", vnes_new_number(turn, sum));
  vnes_set(turn, "batch", kept);
}

#define CALL(name) static vnes_value *name(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info)
#define UNUSED (void)input, (void)info

CALL(add) {
  UNUSED;
  vnes_value *n = vnes_new_number(turn, number_at(turn, n_key(turn, input)) + 1);
  vnes_set(turn, n_key(turn, input), n);
  return n;
}

CALL(drop) {
  UNUSED;
  vnes_delete(turn, n_key(turn, input));
  return NULL;
}

CALL(list) {
  UNUSED;
  const vnes_entry *entries;
  const size_t count = vnes_entries(turn, "n/", &entries);
  vnes_value *all = vnes_new_array(turn);
  for (size_t index = 0; index < count; index++) {
    vnes_value *pair = vnes_new_array(turn);
    vnes_push(turn, pair, vnes_new_text(turn, entries[index].key));
    vnes_push(turn, pair, entries[index].value);
    vnes_push(turn, all, pair);
  }
  return all;
}

CALL(swap) {
  UNUSED;
  const char *key = n_key(turn, vnes_member(input, "key"));
  const int64_t version = vnes_version(turn, key);
  vnes_set_with(turn, key, vnes_member(input, "value"), version, 60000);
  return version == VNES_NO_KEY ? NULL : vnes_new_number(turn, (double)version);
}

CALL(echo) {
  UNUSED;
  vnes_value *answer = vnes_new_object(turn);
  vnes_put(turn, answer, "at", vnes_new_number(turn, (double)vnes_at_ms(turn)));
  vnes_put(turn, answer, "input", input);
  return answer;
}

CALL(refuse) {
  UNUSED;
  vnes_set(turn, "refused", vnes_new_boolean(turn, true));
  vnes_value *details = vnes_new_object(turn);
  vnes_put(turn, details, "why", vnes_new_text(turn, "asked to"));
  return vnes_refuse(turn, "CONTRACT_NO", "not here", details);
}

CALL(fail) {
  UNUSED;
  vnes_set(turn, n_key(turn, input), vnes_new_number(turn, 1000000));
  vnes_publish(turn, "contract.total.v1", "", NULL);
  vnes_fail(turn, "asked to");
}

CALL(promise) {
  return fail(turn, input, info);
}

CALL(loop) {
  UNUSED, (void)turn;
  while (true) { }
  return NULL;
}

CALL(hoard) {
  UNUSED;
  while (true) memset(vnes_alloc(turn, 1 << 20), 1, 1 << 20);
  return NULL;
}

CALL(chat) {
  UNUSED;
  const char *text = vnes_text(vnes_member(input, "text"));
  for (double n = vnes_number(vnes_member(input, "lines")); n > 0; n--) vnes_log(turn, "info", text, NULL);
  return NULL;
}

CALL(invalid) {
  UNUSED;
  vnes_set(turn, "x", vnes_new_number(turn, NAN));
  return NULL;
}

CALL(write_large) {
  UNUSED;
  const size_t size = (size_t)vnes_number(input);
  char *text = vnes_alloc(turn, size + 1);
  memset(text, 'x', size);
  vnes_set(turn, "large", vnes_new_text(turn, text));
  return NULL;
}

CALL(size) {
  UNUSED;
  return vnes_new_number(turn, (double)vnes_text_length(vnes_get(turn, "large")));
}

CALL(swallow) {
  UNUSED;
  vnes_get(turn, "swallow");
  return NULL;
}

CALL(ask) {
  UNUSED;
  vnes_value *context = vnes_new_object(turn);
  vnes_put(turn, context, "callId", vnes_new_text(turn, info->call_id));
  vnes_ask(turn, &(vnes_call){.capability = "other", .method = "do", .tag = "asked", .context = context});
  vnes_read_keys(turn, &(vnes_read){.capsule = "test.other", .prefix = "p/", .after = "p/1", .limit = 5, .tag = "asked"});
  vnes_set_timer(turn, "slow:1", vnes_at_ms(turn) + 100, context);
  vnes_log(turn, "info", "asked", NULL);
  return vnes_later;
}

static void asked(vnes_turn *turn, const vnes_value *answer, const vnes_value *context, const char *call_id) {
  (void)call_id;
  vnes_cancel_timer(turn, "slow:1");
  vnes_answer(turn, vnes_text(vnes_member(context, "callId")), answer);
}

static void slow(vnes_turn *turn, const vnes_value *payload, const char *id, int64_t due_at) {
  vnes_value *kept = vnes_new_object(turn);
  vnes_put(turn, kept, "payload", payload);
  vnes_put(turn, kept, "id", vnes_new_text(turn, id));
  vnes_put(turn, kept, "dueAt", vnes_new_number(turn, (double)due_at));
  vnes_set(turn, "slow", kept);
}

static const vnes_event_handler events[] = {{"contract.v1", event}, {NULL, NULL}};
static const vnes_batch_handler batches[] = {{"contract.v1", batch}, {NULL, NULL}};
static const vnes_call_handler calls[] = {
  {"contract.add", add},       {"contract.drop", drop},         {"contract.list", list},       {"contract.swap", swap},
  {"contract.echo", echo},     {"contract.refuse", refuse},     {"contract.fail", fail},       {"contract.invalid", invalid},
  {"contract.size", size},     {"contract.write", write_large}, {"contract.swallow", swallow}, {"contract.ask", ask},
  {"contract.promise", promise}, {"contract.loop", loop},       {"contract.hoard", hoard},     {"contract.chat", chat},
  {NULL, NULL},
};
static const vnes_answer_handler answers[] = {{"asked", asked}, {NULL, NULL}};
static const vnes_timer_handler timers[] = {{"slow", slow}, {NULL, NULL}};

int main(void) {
  static const vnes_handlers handlers = {start, events, batches, calls, answers, timers};
  return vnes_serve(&handlers);
}

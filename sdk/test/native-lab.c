/* The scripted capsule of scripted-turns.ts, in C: what `steps` names is done in order. */
#define VNES_IMPLEMENTATION
#include "vnes.h"

static vnes_value *pairs(vnes_turn *turn, const char *prefix) {
  const vnes_entry *entries;
  const size_t count = vnes_entries(turn, prefix, &entries);
  vnes_value *all = vnes_new_array(turn);
  for (size_t index = 0; index < count; index++) {
    vnes_value *pair = vnes_new_array(turn);
    vnes_push(turn, pair, vnes_new_text(turn, entries[index].key));
    vnes_push(turn, pair, entries[index].value);
    vnes_push(turn, all, pair);
  }
  return all;
}

static int64_t integer(const vnes_value *value) {
  const double number = vnes_number(value);
  return number > -1e18 && number < 1e18 ? (int64_t)number : 0;
}

static void set(vnes_turn *turn, const char *key, const vnes_value *value, const vnes_value *options) {
  const vnes_value *expect = vnes_member(options, "expect"), *ttl_ms = vnes_member(options, "ttlMs");
  const int64_t expected = expect == NULL ? VNES_ANY : integer(expect);
  vnes_set_with(turn, key, value, expected, integer(ttl_ms));
}

static const vnes_value *step(vnes_turn *turn, const vnes_value *given) {
  const char *what = vnes_text(vnes_at(given, 0)), *name = vnes_text(vnes_at(given, 1));
  const vnes_value *value = vnes_at(given, 2);
  if (strcmp(what, "get") == 0) {
    const vnes_value *kept = vnes_get(turn, name);
    /* The other lab says so of null as well. */
    return vnes_kind_of(kept) == VNES_NULL ? vnes_new_text(turn, "(none)") : kept;
  }
  if (strcmp(what, "version") == 0) {
    const int64_t version = vnes_version(turn, name);
    return version == VNES_NO_KEY ? NULL : vnes_new_number(turn, (double)version);
  }
  if (strcmp(what, "entries") == 0) return pairs(turn, name);
  if (strcmp(what, "random") == 0) return vnes_new_number(turn, vnes_random(turn));
  if (strcmp(what, "id") == 0) return vnes_new_text(turn, vnes_id(turn, name));
  if (strcmp(what, "delete") == 0) vnes_delete(turn, name);
  else if (strcmp(what, "set") == 0) set(turn, name, value, vnes_at(given, 3));
  else if (strcmp(what, "publish") == 0) vnes_publish(turn, "t", name, value);
  else if (strcmp(what, "log") == 0) vnes_log(turn, "info", name, value);
  else if (strcmp(what, "timer") == 0) vnes_set_timer(turn, name, integer(value), NULL);
  else vnes_fail(turn, what);
  return NULL;
}

static vnes_value *steps(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info) {
  (void)info;
  vnes_value *answers = vnes_new_array(turn);
  for (size_t index = 0; index < vnes_count(input); index++) vnes_push(turn, answers, step(turn, vnes_at(input, index)));
  return answers;
}

static const vnes_call_handler calls[] = {{"lab.steps", steps}, {NULL, NULL}};

int main(void) {
  static const vnes_handlers handlers = {.calls = calls};
  return vnes_serve(&handlers);
}

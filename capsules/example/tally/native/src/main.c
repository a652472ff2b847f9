/* `tally` in C; what it should do is in spec/logic.md, the same for every language. */
#define VNES_IMPLEMENTATION
#include "vnes.h"

#define MOST_AT_ONCE 1000
#define FADE_MS 60000
#define TOTAL "total/"

static void changed(vnes_turn *turn, const char *name, double total) {
  vnes_value *event = vnes_new_object(turn);
  vnes_put(turn, event, "id", vnes_new_text(turn, vnes_id(turn, "chg")));
  vnes_put(turn, event, "name", vnes_new_text(turn, name));
  vnes_put(turn, event, "total", vnes_new_number(turn, total));
  vnes_put(turn, event, "lot", vnes_new_number(turn, (int)(vnes_random(turn) * 1000)));
  vnes_publish(turn, "tally.changed.v1", name, event);
}

/* Inputs and events arrive checked against their schemas. */
static double add(vnes_turn *turn, const vnes_value *addition) {
  const char *name = vnes_text(vnes_member(addition, "name"));
  const char *key = vnes_format(turn, TOTAL "%s", name);
  const double total = vnes_number(vnes_get(turn, key)) + vnes_number(vnes_member(addition, "amount"));
  vnes_value *payload = vnes_new_object(turn);
  vnes_set(turn, key, vnes_new_number(turn, total));
  changed(turn, name, total);
  vnes_put(turn, payload, "name", vnes_new_text(turn, name));
  vnes_set_timer(turn, vnes_format(turn, "fade:%s", name), vnes_at_ms(turn) + FADE_MS, payload);
  return total;
}

static void fed(vnes_turn *turn, const vnes_value *event, const vnes_event_info *info) {
  (void)info;
  if (vnes_number(vnes_member(event, "amount")) > MOST_AT_ONCE) vnes_log(turn, "warn", "too much at once", event);
  else add(turn, event);
}

static vnes_value *tally_add(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info) {
  (void)info;
  vnes_value *answer = vnes_new_object(turn);
  if (vnes_number(vnes_member(input, "amount")) > MOST_AT_ONCE) {
    vnes_put(turn, answer, "most", vnes_new_number(turn, MOST_AT_ONCE));
    vnes_put(turn, answer, "amount", vnes_member(input, "amount"));
    return vnes_refuse(turn, "TALLY_AMOUNT_TOO_LARGE", vnes_format(turn, "at most %d at once", MOST_AT_ONCE), answer);
  }
  vnes_put(turn, answer, "total", vnes_new_number(turn, add(turn, input)));
  return answer;
}

static int by_total(const void *a, const void *b) {
  const vnes_entry *first = *(const vnes_entry *const *)a, *second = *(const vnes_entry *const *)b;
  const double difference = vnes_number(second->value) - vnes_number(first->value);
  /* Entries come sorted by key: where they lie is the order of their names. */
  return difference != 0 ? (difference > 0 ? 1 : -1) : (first > second ? 1 : -1);
}

static vnes_value *tally_top(vnes_turn *turn, const vnes_value *input, const vnes_call_info *info) {
  (void)input, (void)info;
  const vnes_entry *entries;
  const size_t count = vnes_entries(turn, TOTAL, &entries);
  const vnes_entry **sorted = vnes_alloc(turn, (count + 1) * sizeof *sorted);
  for (size_t index = 0; index < count; index++) sorted[index] = &entries[index];
  qsort(sorted, count, sizeof *sorted, by_total);
  vnes_value *list = vnes_new_array(turn), *answer = vnes_new_object(turn);
  for (size_t index = 0; index < count; index++) {
    vnes_value *entry = vnes_new_object(turn);
    vnes_put(turn, entry, "name", vnes_new_text(turn, sorted[index]->key + strlen(TOTAL)));
    vnes_put(turn, entry, "total", sorted[index]->value);
    vnes_push(turn, list, entry);
  }
  vnes_put(turn, answer, "entries", list);
  return answer;
}

static void fade(vnes_turn *turn, const vnes_value *payload, const char *id, int64_t due_at) {
  (void)id, (void)due_at;
  const char *name = vnes_text(vnes_member(payload, "name"));
  vnes_value *data = vnes_new_object(turn);
  vnes_delete(turn, vnes_format(turn, TOTAL "%s", name));
  changed(turn, name, 0);
  vnes_put(turn, data, "name", vnes_new_text(turn, name));
  vnes_log(turn, "info", "faded", data);
}

static const vnes_event_handler events[] = {{"tally.fed.v1", fed}, {NULL, NULL}};
static const vnes_call_handler calls[] = {{"tally.add", tally_add}, {"tally.top", tally_top}, {NULL, NULL}};
static const vnes_timer_handler timers[] = {{"fade", fade}, {NULL, NULL}};

int main(void) {
  static const vnes_handlers handlers = {.events = events, .calls = calls, .timers = timers};
  return vnes_serve(&handlers);
}

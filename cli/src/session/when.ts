/** A moment as people read it: the time, and how far from now. */
import { duration, instant } from "../output/text.ts";

export function moment(at: number): string {
  const text = instant(at);
  return text.endsWith("Z") ? `${text.slice(0, 19).replace("T", " ")} UTC` : text;
}

export function when(at: number, now: number): string {
  const away = at - now;
  if (away === 0) return `${moment(at)} (now)`;
  return away > 0 ? `${moment(at)} (in ${duration(away)})` : `${moment(at)} (${duration(-away)} ago)`;
}

export function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}

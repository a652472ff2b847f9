/** A sentence of an explanation; `there`: the command in it is to be typed where another node runs. */
export type Sentence = string | { readonly there: string };

export function there(sentence: string): Sentence {
  return { there: sentence };
}

export function wordsOf(sentence: Sentence): string {
  return typeof sentence === "string" ? sentence : sentence.there;
}

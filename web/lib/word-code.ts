/** A line of the word programs: a mark belongs to the letter before it; a joiner or an apostrophe stands within a word. */
export const WORD_CODE = String.raw`const WORD = /[\p{L}\p{N}](?:['’]?[\p{L}\p{M}\p{N}\p{Join_C}])*/gu;
`;

// Property tests are reproducible: one seed unless FC_SEED says another. `FC_SEED=random` explores, and
// FC_RUNS multiplies how many cases are tried.
import fc from 'fast-check';

const { FC_SEED, FC_RUNS } = process.env;
const seed = FC_SEED === 'random' ? Date.now() % 2 ** 31 : Number(FC_SEED ?? 20_261_124);
fc.configureGlobal({ seed, ...(FC_RUNS !== undefined && { numRuns: 100 * Number(FC_RUNS) }) });

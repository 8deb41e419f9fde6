// The seed of every property test that names none: a run repeats exactly. FAST_CHECK_SEED=N explores another.
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['FAST_CHECK_SEED'] ?? 20_261_125) });

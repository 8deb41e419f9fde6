// mocha's list of what fails, with the counts written to the file that GRADLENS_RESULTS names.
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class extends reporters.Dot {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      if (process.env.GRADLENS_RESULTS) writeFileSync(process.env.GRADLENS_RESULTS, JSON.stringify({ stats: { passes, failures, pending } }));
    });
  }
};

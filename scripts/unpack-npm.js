'use strict';
// Unpacks what a package-lock.json names into DIRECTORY/node_modules, each archive checked by its
// hash. `npm ci` does the same, but Debian's npm comes with 387 packages.
//
// node unpack-npm.js LOCK DIRECTORY

const { createHash } = require('node:crypto');
const { execFileSync } = require('node:child_process');
const { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { join, resolve } = require('node:path');

const [lock, directory] = process.argv.slice(2);
const { packages } = require(resolve(lock));
const wanted = Object.entries(packages).filter(([path]) => path !== '');
const archives = mkdtempSync(join(directory, 'archives-'));
const archive = (index) => join(archives, `${index}.tgz`);

const list = join(archives, 'list');
writeFileSync(list, wanted.map(([, { resolved }], index) =>
  `url = "${resolved}"\noutput = "${archive(index)}"\n`).join(''));
const curl = ['--fail', '--no-progress-meter', '--location', '--retry', '3', '--parallel'];
execFileSync('curl', [...curl, '--config', list], { stdio: 'inherit' });

for (const [index, [path, { integrity }]] of wanted.entries()) {
  const [algorithm, expected] = integrity.split('-', 2);
  const bytes = readFileSync(archive(index));
  if (algorithm !== 'sha512' || createHash(algorithm).update(bytes).digest('base64') !== expected) {
    throw new Error(`${path} is not what ${lock} says`);
  }
  const place = join(directory, path);
  mkdirSync(place, { recursive: true });
  execFileSync('tar', ['-xzf', archive(index), '-C', place, '--strip-components=1']);
}
rmSync(archives, { recursive: true });

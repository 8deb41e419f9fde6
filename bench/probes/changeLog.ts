// Facts of change logs: a domain that no training text of the project's models has.
import type { DomainForm } from '../../scripts/train-models/corpus/facts.ts';
import { form, number, picked } from '../../scripts/train-models/corpus/facts.ts';
import * as names from '../../scripts/train-models/corpus/names.ts';

const changes = 'crash leak freeze slowdown warning timeout overflow flicker'.split(' ');
const platforms = 'Windows Linux macOS Android FreeBSD Solaris'.split(' ');
const states = 'deprecated removed renamed experimental stable private optional'.split(' ');
const licences = 'MIT BSD Apache GPL Zlib ISC'.split(' ');

export const changeLog: DomainForm = {
  subject: names.module,
  facts: [
    form({ kind: 'release', draw: picked(names.days), told: ['$s was released on a $v.', 'Released on a $v: $s.'], restated: ['The release of $s was on a $v.', 'A $v saw the release of $s.'] }),
    form({ kind: 'fix', draw: picked(changes), told: ['Fixed a $v in $o of $s.', '$s no longer has a $v in $o.'], restated: ['The $v in $o of $s is fixed.', 'In $s, $o had a $v.'] }, picked(names.parameters)),
    form({ kind: 'issue', draw: number(10, 999), told: ['$s: closes issue $v about $o.', 'Issue $v about $o is closed in $s.'], restated: ['The issue about $o in $s was number $v.', 'In $s, $o was issue $v.'] }, picked(names.parameters)),
    form({ kind: 'contributor', draw: names.person, told: ['Thanks to $v for the work on $s.', '$v joined the team of $s.'], restated: ['$v worked on $s.', '$s owes thanks to $v.'] }),
    form({ kind: 'limit', draw: number(10, 999), told: ['Raised $o of $s to $v.', '$s now takes $o up to $v.'], restated: ['The new $o of $s is $v.', 'In $s, $o goes up to $v.'] }, picked(names.parameters)),
    form({ kind: 'platform', draw: picked(platforms), told: ['$s now runs on $v.', 'Added support of $v to $s.'], restated: ['$v is supported by $s.', '$s can be used on $v.'] }),
    form({ kind: 'state', draw: picked(states), told: ['In $s, $o is now $v.', 'Made $o of $s $v.'], restated: ['$o is $v in $s.', 'Of $s, $o became $v.'] }, picked(names.parameters)),
    form({ kind: 'licence', draw: picked(licences), told: ['$s moved to the $v licence.', 'The licence of $s is now $v.'], restated: ['$s has the $v licence.', 'The terms of $s are those of $v.'] }),
  ],
};

// Made-up names of people, places, functions and parts, drawn from syllables; and everyday words.
import type { Random } from '../../../src/shared/random.ts';
import type { Split } from './split.ts';
import { numberOf, ofSplit } from './split.ts';

const onsets = 'Mi To Ka El Ru Sa Jo Ve Li Da No Be Ta Fi Or Pe Lu Ha Ze Ni Ro An Gu Se Wi Mo Ty Ar Ol Cla Bri Fre Dor Hel Mar'.split(' ');
const endings = 'ra lan vik na mo rin sa del tan la bert nor ka lia rus min da ven lo tha gar lin ris nel vo'.split(' ');
const towns = 'ford vale mouth berg stad bury wick holm dale port field ness'.split(' ');

const named = (split: Split, draw: () => string): string => ofSplit(split, (name) => name, draw);

export const person = (random: Random, split: Split): string => named(split, () => random.pick(onsets) + random.pick(endings));
export const place = (random: Random, split: Split): string => named(split, () => random.pick(onsets) + random.pick(['', 'l', 'n', 'r', 's']) + random.pick(towns));

const partLetters = [...'ABCDEFHKLMNPRSTXZ'];
/** A part number, as KX204. */
export const part = (random: Random, split: Split): string =>
  named(split, () => `${random.pick(partLetters)}${random.pick(partLetters)}${numberOf(random, split, 100, 999)}`);

const verbs = 'load save scale merge split find read write sort count clean parse draw pack send rotate filter check build copy'.split(' ');
const nouns = 'image table file list text graph matrix signal page record frame index queue tree grid batch'.split(' ');
export const functionName = (random: Random, split: Split): string => named(split, () => `${random.pick(verbs)}_${random.pick(nouns)}`);
export const module = (random: Random, split: Split): string => named(split, () => random.pick(onsets).toLowerCase() + random.pick(endings) + random.pick(['', 'io', 'kit', 'core']));

export const parameters = 'size width limit factor step depth mode scale offset rate seed level margin length'.split(' ');
export const types = 'list number string table matrix boolean tuple graph'.split(' ');
export const errors = 'ValueError TypeError IndexError KeyError RangeError TimeoutError'.split(' ');

export const colours = 'red blue green yellow white black brown grey pink orange'.split(' ');
export const animals = 'goats hens ducks sheep horses cows dogs cats geese rabbits'.split(' ');
export const garments = 'coat hat scarf cloak shirt cap'.split(' ');
export const things = 'lamp clock rope map kettle drum chair basket knife mirror ladder barrel'.split(' ');
export const spots = 'mill market bridge station harbour library inn well tower school'.split(' ');
export const days = 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday'.split(' ');
export const jobs = 'baker sailor teacher farmer doctor painter miller smith tailor cook guard judge'.split(' ');
export const vehicles = 'train boat cart bus bicycle ship sledge horse'.split(' ');
export const packages = 'SO8 DIP14 QFN16 BGA48 TO220 SOT23'.split(' ');
export const buses = 'SPI I2C UART CAN USB'.split(' ');

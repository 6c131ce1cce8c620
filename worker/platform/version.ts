// The version that /api/health tells: package.json's.
import { version } from '../../package.json';

export const VERSION = version;

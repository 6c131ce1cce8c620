// The invented web site whose access log the generator writes: a shop with a blog. Pages in the order of
// their popularity, and the visitors' addresses, referrers and browsers. All names are reserved ones.

export interface Page {
  path: string;
  /** Of the body that status 200 sends. */
  bytes: number;
  /** Fetched by a page, not by a person: comes with a referrer from the site itself. */
  isAsset: boolean;
}

const SITE = 'https://shop.example';

/** What every visit fetches: the head of the popularity curve, as in real logs. */
const HEAD: Page[] = [
  { path: '/', bytes: 18_412, isAsset: false },
  { path: '/favicon.ico', bytes: 3_638, isAsset: true },
  { path: '/assets/main.css', bytes: 24_877, isAsset: true },
  { path: '/assets/app.js', bytes: 96_120, isAsset: true },
  { path: '/images/logo.svg', bytes: 2_214, isAsset: true },
  { path: '/products', bytes: 31_905, isAsset: false },
  { path: '/search', bytes: 12_330, isAsset: false },
  { path: '/blog/', bytes: 15_771, isAsset: false },
  { path: '/cart', bytes: 9_482, isAsset: false },
  { path: '/robots.txt', bytes: 182, isAsset: false },
  { path: '/feed.xml', bytes: 40_118, isAsset: false },
  { path: '/about', bytes: 7_004, isAsset: false },
  { path: '/checkout', bytes: 11_560, isAsset: false },
  { path: '/sitemap.xml', bytes: 88_231, isAsset: false },
];

const THINGS = ['kettle', 'lamp', 'chair', 'bicycle', 'notebook', 'teapot', 'radio', 'anvil'];
const KINDS = ['oak', 'steel', 'blue', 'folding', 'classic', 'small', 'quiet', 'travel', 'garden'];
const TOPICS = ['choosing', 'repairing', 'cleaning', 'measuring', 'painting', 'storing', 'sharing'];

/** `count` distinct pages, the most popular first. */
export function inventPages(count: number, random: () => number): Page[] {
  const pages = HEAD.slice(0, count);
  const pick = (list: string[]) => list[Math.floor(random() * list.length)] ?? '';
  for (let n = pages.length; n < count; n += 1) {
    const name = `${pick(KINDS)}-${pick(THINGS)}`;
    const bytes = Math.floor(2_000 + 60_000 * random() ** 3);
    const style = random();
    if (style < 0.45) pages.push({ path: `/products/${name}-${n}`, bytes, isAsset: false });
    else if (style < 0.7) {
      const path = `/blog/${2018 + (n % 8)}/${pick(TOPICS)}-a-${name}-${n}`;
      pages.push({ path, bytes, isAsset: false });
    } else if (style < 0.9) {
      pages.push({ path: `/images/products/${name}-${n}.webp`, bytes: bytes * 4, isAsset: true });
    } else {
      const path = `/search?q=${name.replace('-', '+')}&page=${n}`;
      pages.push({ path, bytes, isAsset: false });
    }
  }
  return pages;
}

/** Addresses out of 10.0.0.0/8, which belong to no site. */
export function inventAddresses(count: number, random: () => number): string[] {
  const byte = () => Math.floor(random() * 254) + 1;
  return Array.from({ length: count }, () => `10.${byte()}.${byte()}.${byte()}`);
}

export const REFERRERS = [
  '-',
  '-',
  '-',
  `${SITE}/`,
  `${SITE}/products`,
  `${SITE}/blog/`,
  'https://search.example/',
  'https://search.example/',
  'https://news.example/item?id=40187',
  'https://social.example/',
];

export const ASSET_REFERRERS = [`${SITE}/`, `${SITE}/`, `${SITE}/products`, `${SITE}/blog/`];

export const AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1',
  'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
  'Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0',
  'Mozilla/5.0 (compatible; ExampleBot/2.1; +https://search.example/bot.html)',
  'curl/8.14.1',
];

// A router over the history API: reactive path, params and query; links of this origin are followed without
// a reload. /api pages and downloads are the server's and stay plain links.
import { matchRoute, type Match } from './routes.ts';

export interface NavigateOptions {
  /** Replace the current entry instead of adding one (a filter, a redirect). */
  replace?: boolean;
}

function createRouter() {
  let path = $state(location.pathname);
  let search = $state(location.search);
  const match: Match = $derived(matchRoute(path));
  const query = $derived(new URLSearchParams(search));

  const read = () => {
    path = location.pathname;
    search = location.search;
  };
  addEventListener('popstate', read);

  function navigate(to: string, { replace = false }: NavigateOptions = {}): void {
    const url = new URL(to, location.href);
    if (url.href !== location.href)
      history[replace ? 'replaceState' : 'pushState'](null, '', url.href);
    const moved = url.pathname !== path;
    read();
    if (moved) scrollTo(0, 0);
  }

  return {
    get path() {
      return path;
    },
    get route() {
      return match.route;
    },
    get match() {
      return match;
    },
    /** Read-only: use `setQuery`. */
    get query(): URLSearchParams {
      return query;
    },
    navigate,
    /** Changes some of the query (null takes a name out), in place unless told otherwise. */
    setQuery(changes: Record<string, string | null>, { replace = true }: NavigateOptions = {}) {
      const next = new URL(location.href);
      for (const [name, value] of Object.entries(changes)) {
        if (value === null) next.searchParams.delete(name);
        else next.searchParams.set(name, value);
      }
      navigate(next.href, { replace });
    },
  };
}

export const router = createRouter();
export const navigate = router.navigate;

/** A click handler for the whole page: follows same-origin links in place. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || link.target !== '' || link.hasAttribute('download') || !link.href) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || url.pathname.startsWith('/api/')) return;
  // A fragment on the same page is the browser's own business.
  if (url.hash && url.pathname === location.pathname && url.search === location.search) return;
  event.preventDefault();
  navigate(url.href);
}

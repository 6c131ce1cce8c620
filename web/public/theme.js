// Runs before the first paint, from its own file: no flash of the wrong theme, and no inline script that
// a content security policy would have to allow. See lib/theme/theme.svelte.ts.
try {
  const choice = localStorage.getItem('manyhands.theme');
  if (choice === 'light' || choice === 'dark') document.documentElement.dataset.theme = choice;
} catch {
  // storage forbidden: the system's theme it is
}

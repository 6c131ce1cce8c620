// Under which key Miniflare keeps the objects of a class. Its own key is made of the class's name, so a class that is
// renamed would lose what it stored. Cloudflare carries objects along by the migrations of wrangler.toml; so does this.

/** What is read of a migration in wrangler.toml. */
export interface ClassMigration {
  new_classes?: string[] | undefined;
  new_sqlite_classes?: string[] | undefined;
  renamed_classes?: { from: string; to: string }[] | undefined;
  deleted_classes?: string[] | undefined;
}

/**
 * The key of each class that there is after the migrations: what Miniflare's own key was when the class was made.
 * A name that is free again gets a key of its own, with the number of times that it was used before.
 * @throws when a migration renames a class that is not there
 */
export function objectKeys(migrations: ClassMigration[]): Map<string, string> {
  const keys = new Map<string, string>();
  const made = new Map<string, number>();
  for (const migration of migrations) {
    for (const name of migration.deleted_classes ?? []) keys.delete(name);
    for (const { from, to } of migration.renamed_classes ?? []) {
      const key = keys.get(from);
      if (key === undefined) throw new Error(`migrations rename ${from}, which is not there`);
      keys.delete(from);
      keys.set(to, key);
    }
    for (const name of [
      ...(migration.new_classes ?? []),
      ...(migration.new_sqlite_classes ?? []),
    ]) {
      const before = made.get(name) ?? 0;
      made.set(name, before + 1);
      keys.set(name, before === 0 ? `-${name}` : `-${name}-${before}`);
    }
  }
  return keys;
}

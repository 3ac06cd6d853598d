// The page of a directory without index.html: links only, every name escaped twice (as a URL and as HTML), because
// file names are input too.

export interface ListedFile {
  readonly name: string;
  readonly directory: boolean;
}

export function listingPage(segments: readonly string[], files: readonly ListedFile[]): string {
  const title = escapeHtml(`/${segments.map((segment) => `${segment}/`).join('')}`);
  const sorted = [...files].sort(
    (a, b) => Number(b.directory) - Number(a.directory) || (a.name < b.name ? -1 : Number(a.name > b.name)),
  );
  const parent = segments.length > 0 ? [link('..', true)] : [];
  const items = [...parent, ...sorted.map((file) => link(file.name, file.directory))];
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>`,
    `<body><h1>${title}</h1><ul>`,
    ...items,
    '</ul></body></html>',
    '',
  ].join('\n');
}

function link(name: string, directory: boolean): string {
  const slash = directory ? '/' : '';
  const target = name === '..' ? '..' : `./${encodeURIComponent(name)}`;
  return `<li><a href="${escapeHtml(target + slash)}">${escapeHtml(name + slash)}</a></li>`;
}

function escapeHtml(text: string): string {
  const entities = new Map([
    ['&', '&amp;'],
    ['<', '&lt;'],
    ['>', '&gt;'],
    ['"', '&quot;'],
    ["'", '&#39;'],
  ]);
  return text.replace(/[&<>"']/g, (character) => entities.get(character) ?? character);
}

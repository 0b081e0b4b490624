// Before the first paint: the theme chosen on an earlier visit.

try {
  const theme = localStorage.getItem("sealcast-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden: the system's theme.
}

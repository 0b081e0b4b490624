import { Program } from './support/programs.mjs';
import { append, downloadClient, python, run } from './support/python.mjs';
import { block } from './support/snippets.mjs';
import { walks } from './support/walk.mjs';

walks('django', 8000, async (project, port, env) => {
  const urls = await project.take('shop/urls.py');
  await run(project, ['-m', 'django', 'startproject', 'shop', '.']);
  await project.write({ 'shop/urls.py': urls });
  await append(project, 'shop/settings.py', await block('django', 'Install', '# append to shop/settings.py'));
  await downloadClient(project);
  const args = ['manage.py', 'runserver', '--noreload', `127.0.0.1:${port}`];
  return new Program(python, args, { cwd: project.folder, env });
});

import { Program } from './support/programs.mjs';
import { walks } from './support/walk.mjs';

walks('node', 3000, async (project, port, env) => {
  await project.linkPackages();
  return new Program(process.execPath, ['server.mjs'], { cwd: project.folder, env });
});

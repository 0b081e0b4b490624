import { Program } from './support/programs.mjs';
import { downloadClient, python } from './support/python.mjs';
import { walks } from './support/walk.mjs';

walks('fastapi', 8000, async (project, port, env) => {
  await downloadClient(project);
  const args = ['-m', 'uvicorn', 'main:app', '--port', String(port)];
  return new Program(python, args, { cwd: project.folder, env });
});

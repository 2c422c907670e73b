import { createRoot } from 'react-dom/client';
import { App } from './app.js';
import { Connection } from './model/connection.js';
import { takeToken } from './model/token.js';
import './theme.css';

const connection = new Connection(takeToken());
// A new address in the same tab changes its fragment only.
addEventListener('hashchange', () => location.reload());
connection.connect();
createRoot(document.getElementById('root') as HTMLElement).render(<App connection={connection} />);

import { createRoot } from 'react-dom/client';
import { App } from './app.js';
import { Connection } from './model/connection.js';
import './theme.css';

const connection = new Connection();
connection.connect();
createRoot(document.getElementById('root') as HTMLElement).render(<App connection={connection} />);

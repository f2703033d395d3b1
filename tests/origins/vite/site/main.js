import './style.css'
import { nanoid } from 'nanoid'
import { message } from './message.js'
import mark from './mark.svg'
import note from './note.txt?raw'

function show(text) {
  document.querySelector('#message').textContent = text
}

show(message)
document.querySelector('#mark').src = mark
document.querySelector('#note').textContent = note
document.body.dataset.id = nanoid(8)
import('./late.js').then((late) => late.announce(document.body))

// Replaces the message without loading the page again.
if (import.meta.hot) {
  import.meta.hot.accept('./message.js', (fresh) => show(fresh.message))
  import.meta.hot.on('vite:ws:connect', () => (document.body.dataset.hotReload = 'connected'))
}

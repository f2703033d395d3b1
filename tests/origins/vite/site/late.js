export function announce(body) {
  body.dataset.late = 'arrived'
}

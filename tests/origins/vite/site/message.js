export const message = 'the first message'

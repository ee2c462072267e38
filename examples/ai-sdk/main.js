/** `streamText` of the AI SDK, on a model in this page; it loads when the first question is asked. */
import { streamText } from 'ai';
import { createLethe } from 'lethe/ai-sdk';

const form = document.querySelector('form');
const stop = document.querySelector('#stop');
const status = document.querySelector('[role=status]');
const answer = document.querySelector('#answer');

const lethe = createLethe({
  model: '/model/',
  onProgress: ({ stage, done, total }) => {
    status.textContent = stage === 'ready' ? 'The model is ready.' : `${stage}: ${Math.floor((100 * done) / total)} %`;
  },
});

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const abort = new AbortController();
  stop.onclick = () => abort.abort();
  stop.disabled = false;
  answer.textContent = '';
  const result = streamText({
    model: lethe(),
    prompt: new FormData(form).get('question'),
    maxOutputTokens: 200,
    abortSignal: abort.signal,
    onError: ({ error }) => {
      status.textContent = String(error);
    },
    onAbort: () => {
      status.textContent = 'Stopped.';
    },
    onFinish: ({ finishReason, usage }) => {
      status.textContent = `${usage.outputTokens} tokens, ended by ${finishReason}`;
    },
  });
  for await (const text of result.textStream) answer.textContent += text;
  stop.disabled = true;
});

import { type FormEvent, useState } from 'react';
import { useEngine } from './use_engine.ts';

/** One question, one answer; the model comes when the first question is asked. */
export function App() {
  const { load, status } = useEngine('/model/');
  const [answer, setAnswer] = useState('');
  const [figure, setFigure] = useState('');
  const [busy, setBusy] = useState(false);

  async function ask(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const question = String(new FormData(event.currentTarget).get('question'));
    setBusy(true);
    setAnswer('');
    try {
      const engine = await load();
      const chunks = await engine.chat.completions.create({
        messages: [{ role: 'user', content: question }],
        max_tokens: 200,
        stream: true,
        stream_options: { include_usage: true },
      });
      for await (const { choices, usage } of chunks) {
        setAnswer((words) => words + (choices[0]?.delta.content ?? ''));
        if (usage?.kv) setFigure(`${usage.kv.bytes} bytes of memory; without forgetting ${usage.kv.dense_bytes}`);
      }
    } catch (error) {
      setAnswer(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <main>
      <h1>Ask a model on your own GPU</h1>
      <form onSubmit={ask}>
        <label>
          Question <input name="question" required defaultValue="Why do rivers meander?" />
        </label>{' '}
        <button type="submit" disabled={busy}>
          Ask
        </button>
      </form>
      <p role="status">{status}</p>
      <p aria-live="polite" id="answer">
        {answer}
      </p>
      <p id="figure">{figure}</p>
    </main>
  );
}

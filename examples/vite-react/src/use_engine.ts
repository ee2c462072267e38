import { createEngine, type Engine } from 'lethe';
import { useCallback, useEffect, useRef, useState } from 'react';

/** An engine that is loaded when it is first asked for, and freed with the component. */
export function useEngine(model: string): { load: () => Promise<Engine>; status: string } {
  const [status, setStatus] = useState('The model is not loaded yet.');
  const engine = useRef<Promise<Engine> | null>(null);

  useEffect(
    () => () => {
      engine.current?.then(
        (loaded) => loaded.destroy(),
        () => undefined,
      );
      engine.current = null;
    },
    [],
  );

  const load = useCallback(() => {
    engine.current ??= createEngine({
      model,
      onProgress: ({ stage, done, total }) => {
        setStatus(stage === 'ready' ? 'The model is ready.' : `${stage}: ${Math.floor((100 * done) / total)} %`);
      },
    }).catch((error: unknown) => {
      engine.current = null;
      throw error;
    });
    return engine.current;
  }, [model]);

  return { load, status };
}

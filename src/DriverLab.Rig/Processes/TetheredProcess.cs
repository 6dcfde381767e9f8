using System.ComponentModel;
using System.Diagnostics;

namespace DriverLab.Rig.Processes;

/// <summary>A process that cannot outlive this one, not even when this one is killed with SIGKILL.</summary>
/// <remarks>
/// It is started through <c>setpriv --pdeathsig KILL</c> (util-linux), which sets PR_SET_PDEATHSIG and then becomes the program. The kernel sends that signal when the <em>thread</em> that
/// started the child ends, so a thread of its own starts the child and stays until the child has ended: a pool thread could retire early and take the child with it.
/// Standard input, output and error are pipes: no file or socket is left when everybody dies.
/// </remarks>
internal sealed class TetheredProcess : IMachineProcess
{
    private readonly Process process;
    private readonly Thread keeper;
    private readonly TaskCompletionSource<int> exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource started = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private TetheredProcess(string file, IReadOnlyList<string> arguments)
    {
        string setpriv = Tool.Require("setpriv", "util-linux", "to tie machines to this process");
        var start = new ProcessStartInfo(setpriv, ["--pdeathsig", "KILL", "--", file, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        process = new Process { StartInfo = start };
        keeper = new Thread(Keep) { IsBackground = true, Name = "keeper of " + Path.GetFileName(file) };
    }

    /// <summary>Starts a program.</summary>
    /// <exception cref="RigException">It cannot be started.</exception>
    public static async Task<TetheredProcess> StartAsync(string file, IReadOnlyList<string> arguments)
    {
        var child = new TetheredProcess(file, arguments);
        child.keeper.Start();
        await child.started.Task.ConfigureAwait(false);
        return child;
    }

    /// <summary>Process id.</summary>
    public int Id => process.Id;

    /// <summary>Bytes to the program's standard input.</summary>
    public Stream Input => process.StandardInput.BaseStream;

    /// <summary>Bytes from the program's standard output.</summary>
    public Stream Output => process.StandardOutput.BaseStream;

    /// <summary>Bytes from the program's standard error.</summary>
    public Stream Error => process.StandardError.BaseStream;

    /// <summary>Completes with the exit status when the program has ended.</summary>
    public Task<int> Exited => exited.Task;

    /// <summary>Ends the program at once; no answer is waited for.</summary>
    public void Kill()
    {
        try
        {
            process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended already.
        }
    }

    /// <summary>Ends the program and waits until it is gone.</summary>
    public async ValueTask DisposeAsync()
    {
        Kill();
        _ = await exited.Task.ConfigureAwait(false);
        process.Dispose();
    }

    private void Keep()
    {
        try
        {
            _ = process.Start();
        }
        catch (Win32Exception e)
        {
            started.SetException(new RigException($"{process.StartInfo.FileName} cannot be started: {e.Message}", e));
            exited.SetResult(-1);
            return;
        }
        started.SetResult();
        process.WaitForExit();
        exited.SetResult(process.ExitCode);
    }
}
